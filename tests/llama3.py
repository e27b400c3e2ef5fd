"""A tiny random Llama with the tokenizer layout of Llama-3-Instruct.

Its special tokens and chat template, its way to cut text (`SPLIT`), numbers of up to three digits
as one token each, and a beginning of text that the tokenizer adds by itself.
"""

from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from llm_head import questions
from llm_head.levels import LEVELS

BEGIN, END = "<|begin_of_text|>", "<|end_of_text|>"
HEADERS = ("<|start_header_id|>", "<|end_header_id|>")
TURN = "<|eot_id|>"
TEMPLATE = (
    "{% for message in messages %}{% if loop.first %}{{ bos_token }}{% endif %}"
    "<|start_header_id|>{{ message['role'] }}<|end_header_id|>\n\n"
    "{{ message['content'] | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
# a leading space is part of a word but not of a number
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer that has every number of up to three digits as a token."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    split = pre_tokenizers.Split(Regex(SPLIT), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=2400,
        show_progress=False,
        special_tokens=[BEGIN, END, *HEADERS, TURN],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    texts = [f"{number} {number:02} {number:03}" for number in range(1000)] * 3
    texts += [text for wordings in questions.QUESTIONS.values() for text in wordings]
    texts += [questions.level_answer(level) for level in LEVELS] * 20
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A", special_tokens=[(BEGIN, tokenizer.token_to_id(BEGIN))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=BEGIN, eos_token=TURN, chat_template=TEMPLATE
    )


def save_llama3(folder: Path) -> Path:
    """Write a Llama of 2 layers and 64 dimensions, in bfloat16; return its folder."""
    tokenizer = make_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=1,  # four heads share keys and values, as in Llama-3-8B
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 500_000.0},
        max_position_embeddings=8192,
        tie_word_embeddings=False,
        initializer_range=0.2,  # with the usual 0.02 every word is equally likely
    )
    torch.manual_seed(0)
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
