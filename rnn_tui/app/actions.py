"""Each action once: its id, keys, pane, what it does. Key bar, palette, help and the keys page read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from rnn_tui.symbols import clean_line


@dataclass(frozen=True, slots=True)
class Action:
    """Something a person can do. A pane performs it in its method `do_NAME`."""

    id: str
    """`train.step`; those of the app have no pane in front: `zoom`."""
    keys: tuple[str, ...]
    """As Textual names them; the first is the one that is shown."""
    pane: str
    """Where it belongs; empty: everywhere."""
    label: str
    """A word or two, for the key bar."""
    help: str
    """A sentence, for the help and the palette."""
    bar: int = 0
    """Place in the key bar, from 1; 0: not shown there."""
    pair: str = ""
    """Id of the action that shares the key bar's entry with this one (`←→ time`)."""
    changes: bool = False
    """Whether it changes the run: where another program has the session, it asks to take that over instead."""

    @property
    def name(self) -> str:
        """The id without its pane: what `Pane.act` and `Pane.allows` are given."""
        return self.id.rpartition(".")[2]


PANES: Mapping[str, tuple[str, str]] = {
    "build": ("1", "Build"),
    "train": ("2", "Train"),
    "inspect": ("3", "Inspect"),
    "gradients": ("4", "Gradients"),
    "generate": ("5", "Generate"),
    "sessions": ("6", "Sessions"),
}
"""Pane: its number and its name. Numbers stay when a pane is added."""

ACTIONS: tuple[Action, ...] = (
    # Everywhere
    Action("go.build", ("1", "alt+1"), "", "Build", "Show Build: the network as a form and as a diagram."),
    Action("go.train", ("2", "alt+2"), "", "Train", "Show Train: the curves of the run."),
    Action("go.inspect", ("3", "alt+3"), "", "Inspect", "Show Inspect: the states, one timestep at a time."),
    Action("go.gradients", ("4", "alt+4"), "", "Gradients", "Show Gradients: how far back they reach."),
    Action("go.generate", ("5", "alt+5"), "", "Generate", "Show Generate: let the model write."),
    Action("go.sessions", ("6", "alt+6", "ctrl+o"), "", "Sessions", "Show Sessions: open, copy and delete."),
    Action("run", ("space",), "", "train", "Train, or pause the training; take over what trains elsewhere.", bar=1),
    Action("next_pane", ("tab",), "", "next pane", "Give the keys to the next pane on a wide screen."),
    Action("zoom", ("z",), "", "zoom", "Give this pane the whole screen, and back."),
    Action("copy", ("y",), "", "copy", "Copy what the cursor is on: to the clipboard and to a file."),
    Action("save", ("w", "ctrl+s"), "", "save", "Save the session now."),
    Action("help", ("question_mark",), "", "help", "Explain this pane and its words."),
    Action("palette", ("colon", "ctrl+p"), "", "all", "List every action that is possible here."),
    Action("quit", ("q", "ctrl+q"), "", "leave", "Save and leave; while it trains it asks: stop, or go on unseen."),
    Action("escape", ("escape",), "", "back", "One level up: out of a field, a dialog, the zoom; puts away a fault."),
    Action("interrupt", ("ctrl+c",), "", "", "Does nothing but say how to leave."),
    # Build
    Action("build.up", ("up",), "build", "row", "Go to the field above.", bar=2, pair="build.down"),
    Action("build.down", ("down",), "build", "row", "Go to the field below."),
    Action("build.left", ("left",), "build", "change", "Take the previous or smaller one.", bar=3, pair="build.right"),
    Action("build.right", ("right",), "build", "change", "Take the next or larger one."),
    Action("build.edit", ("enter",), "build", "edit", "Type the value of the field.", bar=4),
    Action("build.preset", ("p",), "build", "preset", "Take the next ready-made network.", bar=5),
    Action("build.preset_back", ("P",), "build", "preset back", "Take the previous ready-made network."),
    Action("build.undo", ("u",), "build", "undo", "Take the edits back: the draft is the open session again.", bar=6),
    # Train
    Action("train.step", ("s",), "train", "step", "Make one update, after pausing.", bar=2, changes=True),
    Action("train.unit", ("v",), "train", "unit",
           "Show the loss in nats, in bits or as perplexity, or what else is measured: accuracy, F1, RMSE.", bar=3),
    Action("train.unit_back", ("V",), "train", "unit back", "The same, the other way round."),
    Action("train.log", ("l",), "train", "log", "Switch the vertical axis between linear and logarithmic.", bar=4),
    Action("train.faster", ("greater_than_sign",), "train", "pace",
           "Raise the pace: more steps a second, up to full speed.", changes=True),
    Action("train.slower", ("less_than_sign",), "train", "pace",
           "Lower the pace, down to one step a second.", bar=6, pair="train.faster", changes=True),
    Action("train.rate_up", ("plus",), "train", "rate", "Raise the learning rate by a tenth of a decade (x 1.26).",
           bar=5, pair="train.rate_down", changes=True),
    Action("train.rate_down", ("minus",), "train", "rate", "Lower the learning rate by a tenth of a decade (/ 1.26).",
           changes=True),
    Action("train.best", ("b",), "train", "best", "Go back to the weights of the best validation; asks.",
           changes=True),
    Action("train.restart", ("R",), "train", "start over", "Start over from fresh weights; asks.", changes=True),
    Action("train.clip", ("percent_sign",), "train", "clip there",
           "Clip gradients at the 90th percentile of the last ones' lengths.", changes=True),
    Action("train.back", ("u",), "train", "undo", "Go back to the last finite weights; asks.", changes=True),
    Action("train.older", ("up",), "train", "samples", "Read an older sample of what the model wrote."),
    Action("train.newer", ("down",), "train", "samples", "Read a newer sample."),
    # Inspect
    Action("inspect.left", ("left", "h"), "inspect", "time", "One timestep back.", bar=2, pair="inspect.right"),
    Action("inspect.right", ("right", "l"), "inspect", "time", "One timestep on."),
    Action("inspect.left_ten", ("H",), "inspect", "ten", "Ten timesteps back."),
    Action("inspect.right_ten", ("L",), "inspect", "ten", "Ten timesteps on."),
    Action("inspect.first", ("home",), "inspect", "first", "To the first timestep."),
    Action("inspect.last", ("end",), "inspect", "last", "To the last timestep."),
    Action("inspect.up", ("up", "k"), "inspect", "unit", "To the unit above.", bar=3, pair="inspect.down"),
    Action("inspect.down", ("down", "j"), "inspect", "unit", "To the unit below."),
    Action("inspect.page_up", ("pageup",), "inspect", "page", "A page of units up."),
    Action("inspect.page_down", ("pagedown",), "inspect", "page", "A page of units down."),
    Action("inspect.layer_down", ("left_square_bracket",), "inspect", "layer", "One layer towards the input.",
           bar=5, pair="inspect.layer_up"),
    Action("inspect.layer_up", ("right_square_bracket",), "inspect", "layer", "One layer towards the output."),
    Action("inspect.value", ("v",), "inspect", "value", "Show the next value: h, c, or a gate.", bar=4),
    Action("inspect.value_back", ("V",), "inspect", "value back", "Show the previous value."),
    Action("inspect.text", ("i",), "inspect", "text", "Type or paste a text to read.", bar=6),
    Action("inspect.equation", ("enter",), "inspect", "equation",
           "The unit's equations with their numbers; once more: work them out by hand.", bar=4),
    Action("inspect.hold", ("x",), "inspect", "hold",
           "Hold the shown value of the unit at 0, or release it, and see what that changes."),
    Action("inspect.edit", ("X",), "inspect", "hold at",
           "Hold a value at a number: of the unit, of the whole layer, or at this timestep only."),
    Action("inspect.earlier", ("left_parenthesis",), "inspect", "passage",
           "An earlier passage of the validation part.", pair="inspect.later"),
    Action("inspect.later", ("right_parenthesis",), "inspect", "passage", "A later passage of the validation part."),
    Action("inspect.go_to", ("number_sign",), "inspect", "go to", "Go to a timestep, or to a unit: t 19, u 42."),
    Action("inspect.sort", ("S",), "inspect", "sort", "Order the units another way."),
    Action("inspect.write_on", ("g",), "inspect", "write on", "Let the model write on from the text up to the cursor."),
    Action("inspect.reread", ("r",), "inspect", "reread", "Read the text again, with the newest weights.", bar=7),
    Action("inspect.follow", ("F",), "inspect", "follow", "Read again by itself while the training goes on."),
    Action("inspect.scrub_back", ("comma",), "inspect", "training time",
           "Back in training time: the probe text as an earlier step read it.", pair="inspect.scrub_on"),
    Action("inspect.scrub_on", ("full_stop",), "inspect", "training time",
           "On in training time; the timestep stays."),
    Action("inspect.find", ("slash", "bar"), "inspect", "find",
           "Find the units that follow something in the text: type a pattern, or the name of a mark."),
    Action("inspect.mark", ("m",), "inspect", "mark",
           "Mark a range of timesteps, and find where the same units are on again."),
    Action("inspect.next_match", ("n",), "inspect", "next", "To the next unit or place that was found.",
           pair="inspect.previous_match"),
    Action("inspect.previous_match", ("N",), "inspect", "previous", "To the one before."),
    Action("inspect.more", ("plus",), "inspect", "more", "Raise the number that the lens goes by: a threshold.",
           pair="inspect.less"),
    Action("inspect.less", ("minus",), "inspect", "less", "Lower it."),
    Action("inspect.gates", ("G",), "inspect", "gates", "How often every gate is nearly closed and nearly open."),
    Action("inspect.page", ("f",), "inspect", "full text", "The whole text on many lines, with its score."),
    Action("inspect.becoming", ("T",), "inspect", "becoming",
           "The chosen unit at every recorded step of the training, one below the other."),
    Action("inspect.padding", ("B",), "inspect", "padding",
           "Sequences of unequal length in one batch: with a mask, and with what fills them up read as data."),
    Action("inspect.masks", ("D",), "inspect", "dropout", "The masks that dropout draws for one training batch."),
    # Gradients
    Action("gradients.left", ("left", "h"), "gradients", "time", "One timestep back.", bar=2, pair="gradients.right"),
    Action("gradients.right", ("right", "l"), "gradients", "time", "One timestep on."),
    Action("gradients.left_ten", ("H",), "gradients", "ten", "Ten timesteps back."),
    Action("gradients.right_ten", ("L",), "gradients", "ten", "Ten timesteps on."),
    Action("gradients.first", ("home",), "gradients", "first", "To the first timestep."),
    Action("gradients.last", ("end",), "gradients", "last", "To the last timestep."),
    Action("gradients.value", ("v",), "gradients", "view",
           "How far it reaches, step by step, while it trains: the next view.", bar=3),
    Action("gradients.value_back", ("V",), "gradients", "view back", "The view before."),
    Action("gradients.loss", ("enter",), "gradients", "loss", "Put the loss at the cursor.", bar=4),
    Action("gradients.compare", ("c",), "gradients", "compare",
           "Beside RNN, GRU and LSTM of equal size: fresh, then trained, then off.", bar=5),
    Action("gradients.cut_less", ("left_curly_bracket",), "gradients", "k",
           "Let the gradient go back over fewer timesteps.", bar=5, pair="gradients.cut_more"),
    Action("gradients.cut_more", ("right_curly_bracket",), "gradients", "k",
           "Let the gradient go back over more timesteps."),
    Action("gradients.layer_down", ("left_square_bracket",), "gradients", "layer", "One layer towards the input.",
           bar=6, pair="gradients.layer_up"),
    Action("gradients.layer_up", ("right_square_bracket",), "gradients", "layer", "One layer towards the output."),
    Action("gradients.text", ("i",), "gradients", "text", "Type or paste a text to read.", bar=7),
    Action("gradients.earlier", ("left_parenthesis",), "gradients", "passage",
           "An earlier passage of the validation part.", pair="gradients.later"),
    Action("gradients.later", ("right_parenthesis",), "gradients", "passage",
           "A later passage of the validation part."),
    Action("gradients.go_to", ("number_sign",), "gradients", "go to", "Go to a timestep."),
    Action("gradients.reread", ("r",), "gradients", "reread", "Read the text again, with the newest weights."),
    Action("gradients.follow", ("F",), "gradients", "follow", "Read again by itself while the training goes on."),
    Action("gradients.clip", ("percent_sign",), "gradients", "clip there",
           "Clip gradients at the 90th percentile of the last ones' lengths.", bar=8, changes=True),
    Action("gradients.break_it", ("X",), "gradients", "break it",
           "Make gradients vanish or explode on purpose: W_hh, clipping, learning rate; asks.", bar=9, changes=True),
    Action("gradients.back", ("u",), "gradients", "undo", "Go back to the last finite weights; asks.", bar=10,
           changes=True),
    # Generate
    Action("generate.prompt", ("i",), "generate", "prompt",
           "Type what the model shall go on from, or what it shall answer.", bar=3),
    Action("generate.up", ("up",), "generate", "option", "Go to the option above, or the row.", bar=4,
           pair="generate.down"),
    Action("generate.down", ("down",), "generate", "option", "Go to the option below, or the row."),
    Action("generate.left", ("left", "h"), "generate", "change", "Take the smaller value, or go a timestep back.",
           bar=5, pair="generate.right"),
    Action("generate.right", ("right", "l"), "generate", "change", "Take the larger value, or go a timestep on."),
    Action("generate.left_ten", ("H",), "generate", "ten", "Ten timesteps back in an answer."),
    Action("generate.right_ten", ("L",), "generate", "ten", "Ten timesteps on in an answer."),
    Action("generate.first", ("home",), "generate", "first", "To the first timestep of an answer."),
    Action("generate.last", ("end",), "generate", "last", "To the last timestep of an answer."),
    Action("generate.write", ("enter",), "generate", "write", "Write or ask, or stop it.", bar=2),
    Action("generate.probabilities", ("v",), "generate", "probabilities",
           "Show how likely each written symbol was; of an answer show something else.", bar=6),
    Action("generate.probabilities_back", ("V",), "generate", "view back", "The view of an answer before."),
    Action("generate.earlier", ("left_parenthesis",), "generate", "next",
           "An earlier example of the validation part.", bar=6, pair="generate.later"),
    Action("generate.later", ("right_parenthesis",), "generate", "next", "A later example of the validation part."),
    Action("generate.again", ("r",), "generate", "again",
           "Write again, with another seed; ask again, with the newest weights.", bar=7),
    Action("generate.compare", ("c",), "generate", "gaps",
           "What it remembers over how many timesteps, beside fresh RNN, GRU and LSTM that are trained for it.", bar=5),
    Action("generate.more", ("plus",), "generate", "more",
           "More beams of a translation, values of a series, or updates for the networks to compare.", bar=8,
           pair="generate.less"),
    Action("generate.less", ("minus",), "generate", "less", "Fewer of them."),
    Action("generate.best", ("b",), "generate", "best", "Answer with the best weights, or with the newest again."),
    Action("generate.follow", ("F",), "generate", "follow", "Ask again by itself while the training goes on."),
    Action("generate.go_to", ("number_sign",), "generate", "go to", "Go to a timestep of an answer, or to an example."),
    # Sessions
    Action("sessions.up", ("up",), "sessions", "choose", "To the session above.", bar=2, pair="sessions.down"),
    Action("sessions.down", ("down",), "sessions", "choose", "To the session below."),
    Action("sessions.open", ("enter",), "sessions", "open",
           "Open the session, paused, where it was left; one that trains elsewhere is followed.", bar=3),
    Action("sessions.take", ("t",), "sessions", "take over",
           "Take the session over from the program that has it; training goes on here.", bar=4),
    Action("sessions.new", ("n",), "sessions", "new", "Begin a new session: Build with a draft.", bar=5),
    Action("sessions.save_as", ("a",), "sessions", "save as", "Save the session under another name.", bar=6),
    Action("sessions.edit", ("e",), "sessions", "name, notes", "Change the session's name and notes.", bar=7),
    Action("sessions.delete", ("d",), "sessions", "delete", "Delete the session; asks.", bar=8),
)  # fmt: skip

BY_ID: Mapping[str, Action] = {action.id: action for action in ACTIONS}

_KEY_SIGNS = {
    "question_mark": "?", "colon": ":", "plus": "+", "minus": "-", "less_than_sign": "<", "greater_than_sign": ">",
    "left_square_bracket": "[", "right_square_bracket": "]", "left_parenthesis": "(", "right_parenthesis": ")",
    "number_sign": "#", "up": "↑", "down": "↓", "left": "←", "right": "→", "slash": "/", "bar": "|", "comma": ",",
    "full_stop": ".", "equals_sign": "=", "semicolon": ";", "exclamation_mark": "!", "at": "@", "asterisk": "*",
    "percent_sign": "%", "left_curly_bracket": "{", "right_curly_bracket": "}",
}  # fmt: skip
_SIGN_KEYS = {sign: key for key, sign in _KEY_SIGNS.items()}
ASCII_KEYS = {"↑": "up", "↓": "down", "←": "left", "→": "right"}


def sign_of(key: str, ascii_only: bool = False) -> str:
    """A key as it is printed on a keyboard: `?` for `question_mark`, `←` for `left`."""
    shown = _KEY_SIGNS.get(key) or clean_line(key)
    return ASCII_KEYS.get(shown, shown) if ascii_only else shown


def key_of(text: str) -> str:
    """The name of a key as a person may write it in the settings: `?` or `question_mark`."""
    text = text.strip() if text.strip() else text
    return "space" if text == " " else _SIGN_KEYS.get(text, text)


def with_keymap(keymap: Mapping[str, str]) -> tuple[tuple[Action, ...], tuple[str, ...]]:
    """The actions with a person's own keys, `{"train.step": "n,full_stop"}`, and what was wrong with them.

    An override replaces all keys of its action. One that would leave two actions of one pane
    with the same key is not taken, nor one of an id that does not exist.
    """
    taken = dict(BY_ID)
    complaints = []
    for action_id, text in keymap.items():
        if action_id not in taken:
            complaints.append(f"keymap: {action_id!r} is no action; `rnn-lab keys` lists them")
            continue
        keys = tuple(dict.fromkeys(key_of(part) for part in text.split(",") if part.strip()))
        if not keys:
            complaints.append(f"keymap: {action_id} has no key in {text!r}; its own stay")
            continue
        taken[action_id] = replace(taken[action_id], keys=keys)
    for action_id in list(keymap):
        clash = _clash(taken, action_id)
        if clash:
            complaints.append(f"keymap: {action_id}: {clash[0]} belongs to {clash[1]} already; its own keys stay")
            taken[action_id] = BY_ID[action_id]
    return tuple(taken.values()), tuple(complaints)


def _clash(actions: Mapping[str, Action], action_id: str) -> tuple[str, str] | None:
    mine = actions.get(action_id)
    if mine is None:
        return None
    for other in actions.values():
        if other.id != action_id and (not mine.pane or not other.pane or mine.pane == other.pane):
            for key in mine.keys:
                if key in other.keys:
                    return sign_of(key), other.id
    return None


def of_pane(pane: str, actions: Iterable[Action] = ACTIONS) -> list[Action]:
    """The actions that a pane has of its own."""
    return [action for action in actions if action.pane == pane]
