"""What a training needs of a box, one stage after the other; runs in the box, beside model.py.

    STAGES=all DEVICE=cuda BACKEND=inductor python first_steps.py     # a line of JSON a stage

A stage that fails does not keep the others from being tried. STAGES is `start`, which compiles
nothing, `few`, which leaves out the model, or `all`.
"""

import json
import os
import shutil
import subprocess
import sys
import time

ON_GPU = os.environ["DEVICE"] == "cuda"
DEVICE = os.environ["DEVICE"]
BACKEND = os.environ["BACKEND"]  # of torch.compile
BEGUN = time.perf_counter()


def stage(name, work):
    """Does one thing and says how long it took, or why it failed."""
    begun, failure, told = time.perf_counter(), "", None
    try:
        told = work()
    except BaseException as error:
        text = f"{type(error).__name__}: {error}".strip()
        print(text, flush=True)
        failure = text.splitlines()[0][:400] if text else repr(error)
    seconds = time.perf_counter() - begun
    line = {"stage": name, "seconds": seconds, "failure": failure, "told": told}
    print("stage", json.dumps(line | {"since_start": time.perf_counter() - BEGUN}), flush=True)


def import_torch():
    import torch

    return torch.__version__


def start_cuda():
    import torch

    torch.cuda.init()
    value = (torch.ones(8, device="cuda") * 2).sum().item()
    assert value == 16, value
    return torch.cuda.get_device_name(0)


def multiply():
    import torch

    size = 1024 if ON_GPU else 64
    a = torch.randn(size, size, device=DEVICE).bfloat16()
    product, exact = (a @ a).float(), a.float() @ a.float()
    error = ((product - exact).norm() / exact.norm()).item()
    assert error < 0.05, error
    return round(error, 5)


def pin():
    import torch

    host = torch.empty(64 * 2**20, dtype=torch.uint8, pin_memory=True)
    assert host.to("cuda").sum().item() == host.sum().item()


def find_compiler():
    compiler = os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")
    assert compiler, "no C compiler on the PATH: Triton and torch.compile need one"
    source = "int main(void) { return 0; }"
    words = [compiler, "-xc", "-", "-o", os.path.join(os.environ["TMPDIR"], "compiled")]
    subprocess.run(words, input=source, text=True, check=True)
    subprocess.run(words[-1:], check=True)
    return compiler


def import_triton():
    import triton

    return triton.__version__


def compile_function():
    import torch

    twice = torch.compile(lambda x: torch.nn.functional.gelu(x * 2 + 1).sum(), backend=BACKEND)
    x = torch.randn(4096, device=DEVICE)
    found, exact = twice(x).item(), torch.nn.functional.gelu(x * 2 + 1).sum().item()
    assert abs(found - exact) < 1e-2 * abs(exact) + 1e-2, (found, exact)


def train_once():
    """The first step of the model, compiled as train.py does it, and the time of the next."""
    import torch

    from model import GPT, Config

    config = Config()
    torch.manual_seed(0)
    if ON_GPU:
        torch.set_float32_matmul_precision("high")
    model = GPT(config).to(DEVICE)
    forward = torch.compile(model, backend=BACKEND)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    shape = (config.micro_batch_size, config.block_size + 1)
    idx_BT = torch.randint(config.vocab_size, shape, device=DEVICE)
    losses, times = [], []
    half = config.dtype != "float32"
    for _ in range(3):
        begun = time.perf_counter()
        with torch.autocast(DEVICE, dtype=torch.bfloat16, enabled=half):
            loss = forward(idx_BT[:, :-1].contiguous(), idx_BT[:, 1:].contiguous())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
        times.append(time.perf_counter() - begun)
    assert losses[-1] < losses[0], losses
    return {"first_step_s": times[0], "step_s": times[-1]}


def reduce_alone():
    """NCCL, or gloo, of one process: that its sockets and shared memory are there."""
    import torch
    import torch.distributed as dist

    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29511"}
    dist.init_process_group("nccl" if ON_GPU else "gloo", rank=0, world_size=1)
    total = torch.ones(1024, device=DEVICE)
    dist.all_reduce(total)
    assert total.sum().item() == 1024
    dist.destroy_process_group()


def main():
    sys.path.insert(0, os.getcwd())
    stage("PyTorch is imported", import_torch)
    if ON_GPU:
        stage("CUDA starts", start_cuda)
        stage("memory is pinned and copied", pin)
        stage("Triton is imported", import_triton)
    stage("bfloat16 product", multiply)
    stage("C compiler", find_compiler)
    if os.environ["STAGES"] != "start":
        stage("torch.compile of a function", compile_function)
    if os.environ["STAGES"] == "all":
        stage("torch.compile of the model, first step", train_once)
        stage("collective of one process", reduce_alone)


if __name__ == "__main__":
    main()
