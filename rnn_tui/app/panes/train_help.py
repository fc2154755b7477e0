"""The words of Train, explained for a person who meets them for the first time."""

from __future__ import annotations

import math

from rnn_tui.app.widgets.status import number
from rnn_tui.lab.measures import Measures, marks, measures, metric_name, metric_value, metric_words
from rnn_tui.symbols import clean_line
from rnn_tui.views import Curves, Status, in_unit, perplexity

TRAIN_HELP = """\
# Train

The network reads many sequences side by side, and after each step its weights are moved a little so that the
answers that would have been right become likelier.

- **loss**: the mean cost of an answer, -log p of the right one. In *nats* the logarithm is natural, in
  *bits* it is to base 2. Where the answers are numbers (forecasting, adding) it is the **mean squared error**
  instead; a series is scaled before it is read, so that 1 is what always answering the mean would cost.
- **perplexity**: e to the loss: among how many equally likely symbols it would be as hard to choose. It is told
  where the network writes symbols, and nowhere else.
- **accuracy** is the share of right answers. **F1** is high only if the rare labels are found too: the mean of
  2PR / (P + R) over all labels, P the share of its answers that are right, R the share of the right ones that it
  found. **span F1** counts whole names, from their first word to their last. **BLEU** (0 to 100) counts the
  stretches of words that a translation shares with the right one. **RMSE** is the root of the mean squared
  error in the series' own unit, **MAE** the mean of the errors' sizes, **MAPE** their mean share of the truth.
- `v` goes through the units of the loss, then the curves of these. All are measured on the validation part.
- **train** is the loss on what it learns from, **validation** on a part it never learns from. When validation
  rises while train falls, it learns by heart.
- **dotted lines** are what needs no network. *uniform, unigram, bigram*: all symbols alike; how frequent each is;
  how frequent each is after the one before. *majority*: always the most frequent label. *last value, seasonal*:
  what was there before, or a season ago. *remembers nothing*: the best there is without a memory.
- **gradient norm**: the length of the gradient, all weights together. Longer ones than **clip** are shortened to
  it: recurrent networks meet cliffs, where a full step would throw the weights far away.
- **sample**: what the model writes or answers with the weights of that step; up and down look at older and newer.
- **pace**: steps a second it is held to, slow enough to watch; at the end of the scale it is full speed.
- **best**: the weights of the lowest validation loss, whatever the other measures say; they are kept beside the
  newest ones. **Early stopping** goes by the same loss: it ends the run after `patience` validations without a best.
- **bidirectional** in language: read from the end too, a network has seen the symbol that it must predict; its
  perplexity falls towards 1 and means nothing. **forgot to reset**, **no masking**: mistakes to look at, which
  stand in the first line as long as they are made.
"""


def live_values(status: Status, curves: Curves | None) -> dict[str, str]:
    """The help's words with what they are now: losses in all units, metrics, and lines that need no network."""
    told = measures(status.config)
    values = {"step": f"{status.step:,} of {status.planned:,}, epoch {status.epoch:.2f}"}
    for name, loss in (("train", status.train_loss), ("validation", status.val_loss), ("best", status.best_loss)):
        if not math.isnan(loss):
            values[name] = _in_all_units(loss, told)
    values |= {metric_name(name): metric_value(name, value) for name, value in status.val_metrics.items()}
    for line in curves.baselines if curves else ():
        known = [_in_all_units(line.loss, told)] if math.isfinite(line.loss) else []
        known += [metric_words(name, value) for name, value in line.metrics.items() if math.isfinite(value)]
        values[clean_line(line.name)] = "; ".join(known)
    values |= {mark.badge: mark.sentence for mark in marks(status.config)}
    if math.isfinite(status.learning_rate):
        values["learning rate"] = f"{status.learning_rate:.4g}"
    if math.isfinite(status.grad_norm):
        values["gradient norm"] = f"{number(status.grad_norm)}; {100 * status.clipped_share:.2f} % of steps clipped"
    if status.threads:
        values["computed by"] = f"{status.device}, {status.precision}, {status.threads} threads"
    return values


def _in_all_units(loss: float, told: Measures) -> str:
    if told.squared:
        return told.loss_words(loss)
    words = f"{number(loss)} nats = {number(in_unit(loss, 'bits'))} bits"
    return words + (f", perplexity {number(perplexity(loss))}" if told.perplexity else "")
