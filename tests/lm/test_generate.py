"""Generation: caches and states, samples that stand alone, stop strings, forms, and what goes wrong."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from artgen.data.tokenizer import BPETokenizer, ByteTokenizer, CharTokenizer, Tokenizer
from artgen.errors import ArtgenError, UsageError
from artgen.families.base import Sample
from artgen.lm.config import TextSampleConfig
from artgen.lm.generate import generate
from artgen.lm.gpt import GPT
from artgen.lm.gpt_config import GPTModelConfig
from artgen.lm.rnn import RNN
from artgen.lm.rnn_config import RNNModelConfig
from artgen.nn.recurrent import RecurrentState

CPU = torch.device("cpu")
CHARACTERS = "\n ,.abcdefghijklmnopqrstuvwxyz"
CHAR = CharTokenizer(CHARACTERS)
BPE = BPETokenizer.train(["the owl and the cat saw the other owl\nand then the hen sang to them, over there.\n"] * 20, 300)
CONTEXT = 24


def gpt(tokenizer: Tokenizer = CHAR, **choices: Any) -> GPT:
    """Random, with weights large enough that the next token depends on the text before it."""
    torch.manual_seed(2)
    shape: dict[str, Any] = {"n_layers": 2, "n_heads": 2, "d_model": 16, "context": CONTEXT, "tie_embeddings": False}
    network = GPT(GPTModelConfig(**(shape | choices)), tokenizer.n_vocab)
    for parameter in network.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=0.6)
    return network.eval()


def rnn(tokenizer: Tokenizer = CHAR, **choices: Any) -> RNN:
    torch.manual_seed(0)
    shape: dict[str, Any] = {"n_layers": 2, "d_model": 16}
    network = RNN(RNNModelConfig(**(shape | choices)), tokenizer.n_vocab)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.8)
    return network.eval()


NETWORKS = {"gpt": gpt, "rnn": rnn}


def make(network: Any, n: int = 1, seed: int = 0, tokenizer: Tokenizer = CHAR, **options: Any) -> list[Sample]:
    batch_size, stream = options.pop("batch_size", 16), options.pop("stream", None)
    chosen = TextSampleConfig(**({"max_tokens": 40, "temperature": 1.0} | options))
    return generate(network, tokenizer, chosen, n, seed, CPU, stream=stream, batch_size=batch_size)


def works(*args: Any, **options: Any) -> list[str]:
    return [made.work for made in make(*args, **options)]


class Script:
    """A network that says one text, whatever it has read: its state counts the tokens. Then it goes on with line ends."""

    def __init__(self, text: str, tokenizer: Tokenizer = CHAR, then: int = 0) -> None:
        self.tokens = [int(token) for token in tokenizer.encode(text)]
        self.n_vocab, self.then = tokenizer.n_vocab, then

    def __call__(self, tokens: Tensor, state: Any = None, last_only: bool = False) -> tuple[Tensor, RecurrentState]:
        step = int(state.hidden.max())
        logits = torch.full((len(tokens), 1, self.n_vocab), -20.0)
        logits[:, :, self.tokens[step] if step < len(self.tokens) else self.then] = 20.0
        return logits, RecurrentState(state.hidden + 1)

    def start(self, batch_size: int, capacity: int, device: torch.device, dtype: torch.dtype = torch.float32) -> RecurrentState:
        return RecurrentState(torch.zeros(1, batch_size, 1))


def said(text: str, tokenizer: Tokenizer = CHAR, **options: Any) -> tuple[str, str]:
    """(work, why it ended) of a network that wants to say `text`; what was streamed must be the work."""
    parts: list[str] = []
    made = make(Script(text, tokenizer), tokenizer=tokenizer, stream=lambda _, part: parts.append(part), **options)[0]
    assert "".join(parts) == made.work
    return made.work, made.figures["ended"]


# ---------------------------------------------------------------- caches and states


@pytest.mark.parametrize("prompt", ["", "the owl"])
@pytest.mark.parametrize("family", NETWORKS)
def test_greedy_text_is_that_of_reading_everything_anew_at_every_step(family: str, prompt: str) -> None:
    network = NETWORKS[family]()
    length = CONTEXT - max(1, len(prompt))
    tokens = [int(token) for token in CHAR.encode(prompt or "\n")]
    with torch.no_grad():
        for _ in range(length):
            tokens.append(int(network(torch.tensor([tokens]))[0][0, -1].argmax()))
    expected = CHAR.decode(tokens)[0 if prompt else 1 :]
    assert len(set(expected)) > 3, "this network says nothing that could go wrong"
    assert works(network, prompt=prompt, temperature=0.0, max_tokens=length) == [expected]


def test_text_past_the_context_is_that_of_rereading_its_last_half() -> None:
    """When the cache is full, the last half of the context is read anew; so it goes on for ever."""
    network, prompt, length = gpt(), "the owl", 3 * CONTEXT
    tokens = [int(token) for token in CHAR.encode(prompt)]
    begin = 0
    with torch.no_grad():
        for _ in range(length):
            if len(tokens) - begin > CONTEXT:
                begin = len(tokens) - CONTEXT // 2
            tokens.append(int(network(torch.tensor([tokens[begin:]]))[0][0, -1].argmax()))
    assert begin > CONTEXT, "the context was filled more than once"
    made = make(network, prompt=prompt, temperature=0.0, max_tokens=length)[0]
    assert made.work == CHAR.decode(tokens)
    assert (made.figures["tokens"], made.figures["ended"]) == (length, "max_tokens")


def test_of_a_prompt_longer_than_the_context_the_end_counts() -> None:
    network = gpt()
    end = "the wise old owl"[-CONTEXT // 2 :]
    one, other = ("a b c " * 9 + end, "z, y, x " * 20 + end)
    (first,), (second,) = (works(network, prompt=text, temperature=0.0, max_tokens=10) for text in (one, other))
    assert first.removeprefix(one) == second.removeprefix(other)
    assert first.startswith(one)


def test_an_rnn_reads_all_of_a_long_prompt_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    prompt = "the owl sees a hen. " * 5
    whole = works(rnn(), prompt=prompt, temperature=0.0, max_tokens=20)
    monkeypatch.setattr("artgen.lm.generate.PREFILL_CHUNK", 7)
    assert works(rnn(), prompt=prompt, temperature=0.0, max_tokens=20) == whole


# ---------------------------------------------------------------- seeds


@pytest.mark.parametrize("family", NETWORKS)
def test_a_sample_depends_on_its_seed_and_number_alone(family: str) -> None:
    network = NETWORKS[family]()
    five = works(network, n=5, seed=3, prompt="the ")
    assert len(set(five)) == 5
    assert works(network, n=5, seed=3, prompt="the ") == five
    assert works(network, n=5, seed=3, prompt="the ", batch_size=2) == five
    assert works(network, n=2, seed=3, prompt="the ") == five[:2]
    assert not set(works(network, n=5, seed=4, prompt="the ")) & set(five)


def test_a_sample_goes_on_alike_when_those_beside_it_have_ended() -> None:
    alone = works(gpt(), n=1, seed=3, max_tokens=60)[0]
    stops = [text[5:8] for text in works(gpt(), n=4, seed=3, max_tokens=60)[1:]]
    assert not any(stop in alone for stop in stops), "choose another seed"
    beside = make(gpt(), n=4, seed=3, max_tokens=60, stop=stops)
    assert beside[0].work == alone
    assert [made.figures["ended"] for made in beside] == ["max_tokens"] + ["stop string"] * 3


def test_more_random_numbers_than_are_made_at_once() -> None:
    made = make(rnn(), n=2, max_tokens=600)
    assert [made.figures["tokens"] for made in made] == [600, 600]
    for sample in made:
        assert sample.work[:256] != sample.work[256:512], "the random numbers came round again"


# ---------------------------------------------------------------- streams


@pytest.mark.parametrize("options", [{}, {"stop": ["owl", "ww"]}, {"lines": 3, "line_length": [5, 7]}], ids=str)
@pytest.mark.parametrize("tokenizer", [CHAR, BPE, ByteTokenizer()], ids=["char", "bpe", "byte"])
def test_what_is_streamed_is_the_work(tokenizer: Tokenizer, options: dict[str, Any]) -> None:
    parts: dict[int, list[str]] = {}
    made = make(
        rnn(tokenizer), n=3, tokenizer=tokenizer, prompt="owl a" if "lines" in options else "owl and ",
        stream=lambda index, text: parts.setdefault(index, []).append(text), **options,
    )  # fmt: skip
    assert ["".join(parts[index]) for index in range(3)] == [sample.work for sample in made]
    assert all(len(parts[index]) > 2 for index in range(3)), "it came in one piece"


def test_half_a_character_is_not_streamed() -> None:
    tokenizer = ByteTokenizer()
    parts: list[str] = []
    made = make(Script("春é", tokenizer), tokenizer=tokenizer, max_tokens=5, stream=lambda _, text: parts.append(text))
    assert parts == ["春", "é"]
    assert made[0].work == "春é"
    assert said("春é", tokenizer, max_tokens=4) == ("春�", "max_tokens")


# ---------------------------------------------------------------- ends


@pytest.mark.parametrize(
    ("text", "stop", "work"),
    [
        ("one owl. two", ["owl"], "one "),
        ("one owl. two", ["two", "owl"], "one "),
        ("aaab is", ["aab"], "a"),  # the first beginning was none
        ("ababac is", ["abac"], "ab"),
        ("abcd", ["bcd", "bc"], "a"),  # the one that is complete first
        ("abcd", ["c", "abc"], ""),  # of two that are complete at once, the longer one
        ("cats and ca", ["cat", "and"], ""),
    ],
)
def test_a_stop_string_ends_the_work_before_it(text: str, stop: list[str], work: str) -> None:
    assert said(text, stop=stop) == (work, "stop string")


def test_what_only_began_like_a_stop_string_is_text() -> None:
    assert said("the end.", stop=["\n\n", "end!"], max_tokens=7) == ("the end", "max_tokens")
    assert said("xyz xy", stop=["xyza", "yzz"], max_tokens=6) == ("xyz xy", "max_tokens")


def test_a_stop_string_is_looked_for_in_new_text_only() -> None:
    assert said("l sees an owl", prompt="the ow", stop=["owl"]) == ("the owl sees an ", "stop string")


def test_a_stop_string_that_is_split_over_tokens_or_inside_one_is_found() -> None:
    pieces = [BPE.pieces[int(token)] for token in BPE.encode("and then the owl")]
    assert any(piece is not None and len(piece) > 2 for piece in pieces), pieces
    for stop in ("en the o", "the", "hen", "n", " owl"):
        assert said("and then the owl", BPE, stop=[stop]) == ("and then the owl".partition(stop)[0], "stop string")


def test_the_end_token_ends_a_work_and_is_no_text() -> None:
    tokenizer = CharTokenizer(CHARACTERS, end=True)
    assert tokenizer.end_id is not None
    made = make(Script("an owl", tokenizer, then=tokenizer.end_id), tokenizer=tokenizer)[0]
    assert (made.work, made.figures["ended"], made.figures["tokens"]) == ("an owl", "end token", 7)


def test_without_a_prompt_a_text_begins_as_one_after_an_end() -> None:
    tokenizer = CharTokenizer(CHARACTERS, end=True)
    network = gpt(tokenizer)
    with torch.no_grad():
        first = int(network(torch.tensor([[tokenizer.end_id]]))[0][0, -1].argmax())
    assert works(network, tokenizer=tokenizer, temperature=0.0, max_tokens=1) == [tokenizer.decode([first])]


def test_a_repetition_penalty_counts_the_prompt_but_not_the_token_before_an_empty_one() -> None:
    class Flat(Script):
        """All tokens are alike but for a slight order."""

        def __call__(self, tokens: Tensor, state: Any = None, last_only: bool = False) -> tuple[Tensor, RecurrentState]:
            return 1.0 - 0.01 * torch.arange(self.n_vocab).expand(len(tokens), 1, -1), state

    options = {"temperature": 0.0, "repetition_penalty": 2.0}
    assert works(Flat(""), max_tokens=5, **options) == [CHARACTERS[:5]]
    assert works(Flat(""), max_tokens=3, prompt=CHARACTERS[:2], **options) == [CHARACTERS[:5]]


# ---------------------------------------------------------------- forms


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("tokenizer", [CHAR, BPE], ids=["char", "bpe"])
@pytest.mark.parametrize("family", NETWORKS)
def test_lines_of_a_length_whose_initials_make_a_word(family: str, tokenizer: Tokenizer, seed: int) -> None:
    network = NETWORKS[family](tokenizer)
    made = make(network, n=3, seed=seed, tokenizer=tokenizer, acrostic="Owls", line_length=[5, 9], allowed=CHARACTERS)
    for sample in made:
        lines = sample.work.split("\n")
        assert "".join(line[0] for line in lines).lower() == "owls"
        assert len({len(line.rstrip(",.")) for line in lines}) == 1
        assert len(lines[0].rstrip(",.")) in (5, 9)
        assert all(line == line.strip() for line in lines)
        assert set(sample.work) <= set(CHARACTERS)
        assert sample.figures["ended"] in ("form", "max_tokens")
    assert len({sample.work for sample in made}) == 3


@pytest.mark.parametrize("tokenizer", [CHAR, BPE], ids=["char", "bpe"])
def test_a_number_of_lines(tokenizer: Tokenizer) -> None:
    for sample in make(rnn(tokenizer), n=4, tokenizer=tokenizer, lines=3, max_tokens=30):
        lines = sample.work.split("\n")
        assert len(lines) == 3
        assert all(line.strip() for line in lines)


@pytest.mark.parametrize("tokenizer", [CHAR, BPE], ids=["char", "bpe"])
def test_allowed_characters(tokenizer: Tokenizer) -> None:
    for sample in make(gpt(tokenizer), n=4, tokenizer=tokenizer, allowed="owlet ", prompt="the owl "[4:]):
        assert set(sample.work) <= set("owlet \n")
        assert len(sample.work) > 20


def test_a_prompt_is_part_of_the_form() -> None:
    made = works(rnn(), n=3, prompt="owls\nsa", lines=3, line_length=[4])
    for work in made:
        assert work.startswith("owls\nsa")
        assert [len(line.rstrip(",.")) for line in work.split("\n")] == [4, 4, 4]
    whole = make(rnn(), prompt="owls\nsang,,", lines=2, line_length=[4])[0]
    assert (whole.work, whole.figures["tokens"], whole.figures["ended"]) == ("owls\nsang,,", 0, "form")


def test_the_fewest_tokens_that_a_form_needs_are_enough() -> None:
    for sample in make(rnn(), n=3, lines=2, line_length=[3], max_tokens=7):
        assert [len(line) for line in sample.work.split("\n")] == [3, 3]
    with pytest.raises(UsageError, match="max_tokens: 6 are too few for the form that is asked for, expected 7 or more"):
        make(rnn(), lines=2, line_length=[3], max_tokens=6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prompt": "Owl"}, "'O'"),
        ({"prompt": "owls", "line_length": [3]}, "prompt: line 1 is not of the form that is asked for: it has more than 3"),
        ({"prompt": "a\nb\nc", "lines": 2}, "prompt: goes on after 2 lines"),
        ({"acrostic": "no 7"}, "acrostic: the vocabulary has no '7'"),
        ({"allowed": "123"}, "allowed: the vocabulary has none of these characters"),
        ({"stop": ["x", ""]}, "stop: an empty string"),
        ({"seed": -1}, "seed: -1 is negative"),
    ],
    ids=str,
)
def test_what_cannot_be_made_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        make(rnn(), **options)
    assert message in str(refused.value)


def test_a_stop_string_does_not_cut_a_form_short() -> None:
    work, ended = said("owls\n\nsang", lines=2, line_length=[4], stop=["\n", "sa"])
    assert [len(line.rstrip(",.")) for line in work.split("\n")] == [4, 4]
    assert ended in ("form", "max_tokens", "stop string")


# ---------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize("options", [{}, {"temperature": 0.0}, {"lines": 2}, {"top_k": 3, "top_p": 0.9, "min_p": 0.1}], ids=str)
@pytest.mark.parametrize(("family", "damage"), [("gpt", math.nan), ("gpt", math.inf), ("rnn", math.nan)])
def test_damaged_weights_are_reported_instead_of_noise(family: str, damage: float, options: dict[str, Any]) -> None:
    network = NETWORKS[family]()
    with torch.no_grad():
        network.embedding.weight[:, 0] = damage
    with pytest.raises(ArtgenError, match="not finite at token 1: its weights are damaged"):
        make(network, n=2, **options)
