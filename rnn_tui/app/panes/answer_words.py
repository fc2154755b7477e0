"""What the pane of a network that answers says in words: its first line, its empty states, its help."""

from __future__ import annotations

from rnn_tui.app.panes.inspect_view import cut
from rnn_tui.app.widgets.painted import Spans, columns_of
from rnn_tui.app.widgets.row import fit, wrap
from rnn_tui.symbols import clean_line
from rnn_tui.views import Answer, GapCurves, Phase, Status

EXAMPLES = {
    "tagging": "a sentence, words with blanks between",
    "classification": "a text to be labelled",
    "translation": "what is to be translated",
    "forecasting": "numbers to go on from, with blanks between",
    "adding": "numbers, the two to be added with a star: 0.3 0.7* 0.2 0.4*",
}
"""What may be typed, by task."""
OTHERWISE = "a sequence of its symbols"

ANSWER_HELP = """
# Generate, where the task does not write

A network that tags, classifies, translates, forecasts or remembers is **asked** here: with an example of the
validation part, or with a text of your own (`i`). It works while it trains, with the weights of the step that
the first line names; `r` asks again with the newest, `F` goes on asking, `b` takes the best weights.

**Tagging, probes**: under each symbol what was answered, what is right, and how sure it was. `x` marks what is
wrong. Of a grammar all symbols that are legal next are told.

**Classification**: the probability of each class if the text ended at that timestep. One watches it make up
its mind; `changes to` stands where another class became the likeliest.

**Translation**: the **context vector** is the encoder's last h, all that a decoder without attention is told.
With **attention** the map shows at which source symbols it looked (across) while it wrote each one (down).
**Beams** are the candidates that are kept while it writes; a score is the mean log-probability of a symbol in
nats, the higher the better.

**Forecasting**: one step ahead from the true past, and **free-running**, fed with its own forecasts.
**Persistence** says the last value again, **seasonal** the one a season ago: a network should beat both.

**Taken apart** (`v`, after the other views): the figures of the whole validation part. A **confusion matrix** has
the right classes down and what they were taken for across; the colour is the share of the row, and what is
off the diagonal is wrong. A translation is told by the length of its source, a forecast by how far ahead it is.

**Gap** (`c`): what is remembered over how many timesteps. This network first, then fresh ones of each cell,
trained here in turn; the line of one that remembers nothing is always drawn.
"""


def weights_told(step: int, now: int, best: bool, follows: bool, others: bool) -> str:
    """Of which step the weights are that answered, and where the training has got to since."""
    told = f"{'best ' if best else ''}weights of step {step:,}" + (", untrained" if step == 0 else "")
    if not best:
        told += f" (now {now:,})" if now != step else " (others now: r)" if others else ""
    return told + (", follows" if follows else "")


def headlines(
    verdict: Spans, source: str, weights: str, doing: str, width: int, rows: int, stop: str = "enter",
) -> list[Spans]:  # fmt: skip
    """What it comes to, with which weights, and of which example; what is being done goes before the weights.

    `stop`: the key that puts an end to it.
    """
    told = f"{clean_line(doing)}, {stop} stops" if doing else weights
    first: Spans = ((" ", ""), *verdict)
    source = clean_line(source)
    if rows > 1:
        below = cut(((f" {source}", "label"),), width)
        return [cut((*first, (f"  {told}", "quiet")), width), below]
    room = width - columns_of(first) - len(told) - 2
    between = f"  {fit(source, room - 2)}" if source and room >= 10 else ""
    return [cut((*first, (between, "label"), (f"  {told}", "quiet")), width)]


def unknown_told(answer: Answer) -> str:
    """What of the text the vocabulary lacks; empty where it has all of it."""
    unknown = 0 if isinstance(answer, GapCurves) else getattr(answer, "unknown", 0)
    return f", {unknown:,} unknown" if unknown else ""


def source_told(answer: Answer) -> str:
    """Which example it is, of how many."""
    if isinstance(answer, GapCurves):
        return ""
    of = f"; there are {answer.count:,}" if answer.count else ""
    return f"{answer.source}{of}{unknown_told(answer)}"


def message(status: Status, trouble: str, under_way: bool, task: str, width: int) -> list[Spans]:
    """What to press while there is no answer."""
    if trouble:
        return [(), *_sentence(trouble, width), (), *_sentence("r tries again, i types something of your own.", width)]
    if status.phase is Phase.LOADING:
        return [(), *_sentence(f"{status.doing or 'loading'} ...", width)]
    if status.phase is Phase.EMPTY or status.config is None:
        return [
            (),
            *_sentence("There is no network yet, so nothing can answer.", width),
            (),
            *_sentence("space trains the one that Build describes; come back with 5, also while it trains.", width),
        ]
    if under_way:
        return [(), *_sentence("reading it ...", width)]
    what = EXAMPLES.get(task, OTHERWISE)
    return [(), *_sentence(f"r asks it about an example; i types {what}.", width)]


def apart_message(trouble: str, under_way: bool, width: int) -> list[Spans]:
    """What to press while there are no figures to take apart."""
    if under_way:
        told, key = "It answers every example of the part; the figures come then.", "escape stops it."
    else:
        told, key = trouble or "Nothing is scored yet.", "r scores the part, escape goes back to one example."
    return [(), *_sentence(told, width), (), *_sentence(key, width)]


def typing_hint(task: str, width: int) -> Spans:
    """Under the open field: what may be typed."""
    what = EXAMPLES.get(task, OTHERWISE)
    told = f" {what}; enter asks, escape not; empty: an example of the data"
    return ((fit(told, width), "quiet"),)


def _sentence(text: str, width: int) -> list[Spans]:
    return [((f"  {line}", "value"),) for line in wrap(clean_line(text), max(width - 4, 10))]
