"""Data sets on the Hugging Face hub.

    page = push_data_set(folder, "org/name")
    paths = fetch_files("org/name")

HF_ENDPOINT names another hub; the token is that of `hf auth login` or HF_TOKEN.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

from executor.errors import UserError
from executor.llm.secrets import one_line

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[\w.-]{1,96}")
MOST_BYTES = 2**31
# Where the hub keeps its own Parquet copy of a set of another format.
_COPY = "refs/convert/parquet"


def require_datasets(what: str) -> None:
    """Raises UserError, begun with `what`, where the packages for data sets are missing."""
    if find_spec("pyarrow") is None or find_spec("huggingface_hub") is None:
        raise UserError(f"{what} needs the extra share: pip install 'ideator-rl[share]'")


def check_name(name: str) -> None:
    """Raises UserError for what no data set can be called."""
    if not is_name(name):
        raise UserError(f"{name}: not the name of a data set on the hub; write org/name")


def is_name(name: str) -> bool:
    return _HUB_NAME.fullmatch(name) is not None


def push_data_set(folder: Path, name: str) -> str:
    """Uploads a folder as a data set in one commit; a new one is private.

    Returns:
        The address of its page.

    Raises:
        UserError: the hub cannot be reached, or refuses.
    """
    from huggingface_hub import HfApi

    api = HfApi()
    try:
        page = api.create_repo(name, repo_type="dataset", private=True, exist_ok=True)
        api.upload_folder(
            repo_id=name,
            repo_type="dataset",
            folder_path=folder,
            commit_message="Executed ideas, by ideator-rl export",
        )
    except _failures() as error:
        raise UserError(
            f"{name}: cannot be pushed to {api.endpoint}: {one_line(str(error))}; log in with "
            "`hf auth login` or HF_TOKEN, or write a folder with --out"
        ) from None
    return str(page)


def fetch_files(name: str) -> list[Path]:
    """Downloads the Parquet files of a data set.

    Returns:
        Their local paths.

    Raises:
        UserError: the hub cannot be reached, there is no such set, it has no Parquet files, or more
            than MOST_BYTES of them.
    """
    require_datasets(f"{name}: a data set of the hub")
    from huggingface_hub import HfApi, hf_hub_download

    api = HfApi()
    try:
        for revision in (None, _COPY):
            info = api.dataset_info(name, revision=revision, files_metadata=True)
            found = [file for file in info.siblings or () if file.rfilename.endswith(".parquet")]
            if found:
                break
        else:
            raise UserError(f"{name}: the data set has no Parquet files")
        if (size := sum(file.size or 0 for file in found)) > MOST_BYTES:
            raise UserError(f"{name}: {size / 2**30:.1f} GiB of files; at most 2 GiB are taken")
        paths = [
            hf_hub_download(name, file.rfilename, repo_type="dataset", revision=info.sha)
            for file in found
        ]
    except _failures() as error:
        raise UserError(
            f"{name}: no such file or folder, and not to be had from {api.endpoint}: "
            f"{one_line(str(error))}"
        ) from None
    return [Path(path) for path in paths]


def _failures() -> tuple[type[Exception], ...]:
    """What a hub's client raises: of its own, of the network below it, and for a bad argument."""
    import httpx

    return (OSError, ValueError, httpx.HTTPError)
