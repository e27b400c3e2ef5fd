import pytest
from transformers import PreTrainedTokenizerFast

from llm_head import questions
from llm_head.instruct import Turn
from llm_head.prompts import SYSTEM, Chat, Frame, PromptError, frame
from tests import llama3
from tests.tiny_llm import TEMPLATE, make_tokenizer

QUESTION = Turn("human", "<video>\nHow good is it?")


@pytest.mark.parametrize("tokenizer", [make_tokenizer(), llama3.make_tokenizer()])
def test_a_conversation_is_the_template_with_the_video_cut_out(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    chat = Chat(tokenizer)
    branch = chat.branch([QUESTION, Turn("gpt", "Fine.")], "other")
    text = tokenizer.decode(chat.head) + "<video>" + tokenizer.decode(branch.ids)
    messages = [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": "<video>\nHow good is it?"},
        {"role": "assistant", "content": "Fine."},
    ]
    assert text == tokenizer.apply_chat_template(messages, tokenize=False).rstrip()


def test_of_llama_3_text_begins_once_and_a_turn_s_end_ends_an_answer() -> None:
    tokenizer = llama3.make_tokenizer()
    chat = Chat(tokenizer)
    assert chat.head.count(tokenizer.bos_token_id) == 1 and chat.head[0] == tokenizer.bos_token_id
    assert chat.stops == {tokenizer.convert_tokens_to_ids(llama3.TURN)}
    numbers = [tokenizer.decode([i]) for i in chat.answer("The score is 76.8.")]
    assert numbers[-5:] == ["76", ".", "8", ".", llama3.TURN]
    assert tokenizer.decode(chat.frames["score"].stem) == "The score is "


def test_of_other_peoples_conversations_all_answers_are_learned() -> None:
    tokenizer = make_tokenizer()
    turns = [QUESTION, Turn("gpt", "Fine."), Turn("human", "Sure?"), Turn("gpt", "Yes.")]
    branch = Chat(tokenizer).branch(turns, "other")
    learned = [i for i, learn in zip(branch.ids, branch.learned, strict=True) if learn]
    assert tokenizer.decode(learned) == "Fine.<|im_end|>Yes.<|im_end|>"
    assert branch.soft_at is None


@pytest.mark.parametrize("task", questions.TASKS)
def test_of_our_answers_only_what_differs_is_learned(task: questions.Task) -> None:
    tokenizer = make_tokenizer()
    chat = Chat(tokenizer)
    for text in questions.answers(task):
        branch = chat.branch([QUESTION, Turn("gpt", text)], task)
        middle = [i for i, learn in zip(branch.ids, branch.learned, strict=True) if learn]
        frame = chat.frames[task]
        assert chat.question("How good is it?") + frame.stem + tuple(middle) == branch.ids
        assert frame.stem + tuple(middle) + frame.end == chat.answer(text)
        assert " is" in tokenizer.decode(frame.stem)


def test_every_score_fits_its_frame() -> None:
    chat = Chat(make_tokenizer())
    for mos in (0.0, 0.1, 9.9, 10.0, 33.3, 99.9, 100.0):
        answer = chat.answer(questions.score_answer(mos))
        frame = chat.frames["score"]
        assert answer[: len(frame.stem)] == frame.stem
        assert answer[-len(frame.end) :] == frame.end


def test_the_level_word_is_found() -> None:
    chat = Chat(make_tokenizer())
    for number, text in enumerate(questions.answers("level")):
        branch = chat.branch([QUESTION, Turn("gpt", text)], "level")
        assert branch.soft_at is not None
        assert branch.ids[branch.soft_at] == chat.level_words[number]
        assert branch.learned[branch.soft_at]


def test_a_level_answer_of_other_people_has_no_level_word() -> None:
    chat = Chat(make_tokenizer())
    for text in ("I like it a lot.", "OK", "The quality is unknown."):
        branch = chat.branch([QUESTION, Turn("gpt", text)], "level")
        assert branch.soft_at is None
        assert any(branch.learned)


def test_the_video_moves_to_the_front_of_the_question() -> None:
    chat = Chat(make_tokenizer())
    behind = chat.branch([Turn("human", "How good is it?\n<video>"), Turn("gpt", "OK")], "")
    assert behind == chat.branch([QUESTION, Turn("gpt", "OK")], "")


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


def test_a_space_before_the_end_of_the_turn_ends_no_answer() -> None:
    plain, spaced = make_tokenizer(), make_tokenizer(TEMPLATE.replace("<|im_end|>", " <|im_end|>"))
    end = plain.convert_tokens_to_ids("<|im_end|>")
    assert end in Chat(spaced).stops
    assert Chat(spaced).stops == Chat(plain).stops
    # an end of turn that is plain text to the tokenizer
    named = make_tokenizer(TEMPLATE.replace("<|im_end|>", " done"))
    (first,) = Chat(named).stops - {named.eos_token_id}
    assert "done".startswith(named.decode([first]).strip()) and named.decode([first]).strip()


def test_level_words_with_the_same_first_token_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = make_tokenizer()
    words = dict(zip(("bad", "poor", "fair", "good", "excellent"), "abcde", strict=True))
    words["fair"] = "bz"
    monkeypatch.setattr("llm_head.questions.level_answer", lambda level: f"It is {words[level]}")
    with pytest.raises(PromptError, match="different tokens"):
        Chat(tokenizer)


def test_frame() -> None:
    found = frame([(1, 2, 3, 9), (1, 2, 4, 5, 9)])
    assert found == Frame(stem=(1, 2), middles=((3,), (4, 5)), end=(9,))
    assert frame([(7, 7), (7, 7, 7)]) == Frame(stem=(7, 7), middles=((), (7,)), end=())
