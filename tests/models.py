"""The smallest useful language model: random weights, real architecture, tokenizer and template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from gym_envs import find_problem
from ideator_rl.ideators.library import default_values, idea_text, load_library

SMALLEST = {
    "vocabulary": 512,
    "hidden_size": 64,
    "layers": 2,
    "heads": 2,
    "key_value_heads": 1,
    "intermediate_size": 96,
}


def tiny_checkpoint(folder: Path, env: str = "digits", seed: int = 0) -> Path:
    """A checkpoint folder of under 100,000 parameters, its tokenizer trained on a library."""
    from ideator_rl.sft.tiny_model import TinySizes, build_model, build_tokenizer, save_checkpoint

    sizes = TinySizes(**SMALLEST)
    atoms = load_library(find_problem(env).library)
    texts = [idea_text([(atom, default_values(atom))]) for atom in atoms]
    tokenizer = build_tokenizer(texts, sizes.vocabulary)
    save_checkpoint(build_model(sizes, tokenizer, seed), tokenizer, folder)
    return folder


def teach(
    folder: Path,
    texts: list[str],
    steps: int = 200,
    seed: int = 0,
    prompts: Sequence[str] = (),
) -> Path:
    """Makes a checkpoint answer the brief prompt of digits with one of `texts`, mostly; or each of
    `prompts`, by turns."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from ideator_rl.ideators.language_model.chat import chat_messages, style_prompt

    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    asked = [
        tokenizer.apply_chat_template(
            chat_messages(prompt), add_generation_prompt=True, tokenize=False
        )
        for prompt in prompts or [style_prompt(find_problem("digits"), "brief")]
    ]
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for step in range(steps):
        prompt = asked[step % len(asked)]
        for text in texts:
            ids = tokenizer.encode(f"{prompt}{text}{tokenizer.eos_token}", return_tensors="pt")
            labels = ids.clone()
            labels[:, : len(tokenizer.encode(prompt))] = -100
            model(ids, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    return folder


def teach_each(folder: Path, answers: Mapping[str, list[str]], steps: int = 200) -> Path:
    """Makes a checkpoint answer each prompt with one of the texts that belong to it, mostly."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from ideator_rl.ideators.language_model.chat import chat_messages
    from ideator_rl.sft.answer_batch import Row, Task, summed_loss

    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tasks = {asked: Task(tokenizer, chat_messages(asked), 1024) for asked in answers}
    rows = [
        Row(tasks[asked].prompt, [*tokenizer.encode(text), tokenizer.eos_token_id])
        for asked, texts in answers.items()
        for text in texts
    ]
    torch.manual_seed(0)
    torch.set_num_threads(1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(steps):
        (summed_loss(model, tokenizer.pad_token_id, rows) / len(rows)).backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    return folder
