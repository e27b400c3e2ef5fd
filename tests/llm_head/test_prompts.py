import pytest

from llm_head.instruct import Turn
from llm_head.prompts import SYSTEM, Chat, PromptError, common_stem
from tests.tiny_llm import TEMPLATE, make_tokenizer

QUESTION = Turn("human", "<video>\nHow good is it?")


def test_a_conversation_is_the_template_with_the_video_cut_out() -> None:
    tokenizer = make_tokenizer()
    chat = Chat(tokenizer)
    branch = chat.branch([QUESTION, Turn("gpt", "The quality is good.")], level=True)
    text = tokenizer.decode(chat.head) + "<video>" + tokenizer.decode(branch.ids)
    messages = [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": "<video>\nHow good is it?"},
        {"role": "assistant", "content": "The quality is good."},
    ]
    assert text == tokenizer.apply_chat_template(messages, tokenize=False).rstrip()


def test_only_answers_are_learned() -> None:
    tokenizer = make_tokenizer()
    turns = [QUESTION, Turn("gpt", "Fine."), Turn("human", "Sure?"), Turn("gpt", "Yes.")]
    branch = Chat(tokenizer).branch(turns)
    learned = [i for i, answer in zip(branch.ids, branch.answer, strict=True) if answer]
    assert tokenizer.decode(learned) == "Fine.<|im_end|>Yes.<|im_end|>"
    assert branch.level_at is None


def test_the_level_word_is_found() -> None:
    chat = Chat(make_tokenizer())
    for number, level in enumerate(("bad", "poor", "fair", "good", "excellent")):
        branch = chat.branch([QUESTION, Turn("gpt", f"The quality is {level}.")], level=True)
        assert branch.level_at is not None
        assert branch.ids[branch.level_at] == chat.level_words[number]
        assert branch.answer[branch.level_at]


def test_a_level_answer_of_other_people_has_no_level_word() -> None:
    chat = Chat(make_tokenizer())
    assert chat.branch([QUESTION, Turn("gpt", "I like it a lot.")], level=True).level_at is None
    assert chat.branch([QUESTION, Turn("gpt", "OK")], level=True).level_at is None


def test_question_and_answer_make_a_branch() -> None:
    chat = Chat(make_tokenizer())
    branch = chat.branch([QUESTION, Turn("gpt", "The score is 76.8.")])
    assert chat.question("How good is it?") + chat.answer("The score is 76.8.") == branch.ids


def test_the_video_moves_to_the_front_of_the_question() -> None:
    chat = Chat(make_tokenizer())
    behind = chat.branch([Turn("human", "How good is it?\n<video>"), Turn("gpt", "OK")])
    assert behind == chat.branch([QUESTION, Turn("gpt", "OK")])


def test_a_template_without_system_role_is_used_without() -> None:
    refuse = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no') }}{% endif %}"
    tokenizer = make_tokenizer(refuse + TEMPLATE)
    assert tokenizer.decode(Chat(tokenizer).head) == "<|im_start|>user\n"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (None, "no chat template"),
        ("{% for m in messages %}{{ m['role'] }}{% endfor %}", "does not keep"),
        ("{{ messages[-1]['content'] }}", "does not keep|nothing before|changes earlier"),
    ],
)
def test_an_unusable_template_is_refused(template: str | None, message: str) -> None:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = template
    with pytest.raises(PromptError, match=message):
        Chat(tokenizer)


def test_level_words_with_the_same_first_token_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    words = dict(zip(("bad", "poor", "fair", "good", "excellent"), "abcde", strict=True))
    words["fair"] = "bz"
    monkeypatch.setattr("llm_head.prompts.level_answer", lambda level: f"It is {words[level]}")
    with pytest.raises(PromptError, match="different tokens"):
        Chat(make_tokenizer())


def test_common_stem() -> None:
    assert common_stem([(1, 2, 3), (1, 2, 4, 5)]) == ((1, 2), [(3,), (4, 5)])
