"""The words of Build and Sessions, explained for a person who meets them for the first time."""

from __future__ import annotations

BUILD_HELP = """
# Build

The form is a **draft**. Changing it never harms a network that has been trained: beside each field stands
when a change takes effect. **now**: at the next step, also while it trains. **next run**: when training is
next started. **new net**: the trained weights would no longer fit, so `space` offers to train the draft as a
new session, and the open one stays as it is. A star marks what you changed; `u` takes it back.

A **preset** is a ready-made network to start from; `p` goes through them. It keeps the file you chose, if it
is of the same task.

## Data

**Task.** What is learned. Left and right change it; each brings an example of its own and a network that suits
it, so `space` trains at once. Going back to a task brings back what you had there. Its picture says how much
is read for how much that is answered: **many to many, in step** (a tag for each word, the next symbol), **many
to one** (a label for a whole text), **one to many** (a name from a label), **encoder and decoder** (a
translation), **one to one** (no time at all). x is read, [h] is the state, y is answered.

**Data.** What it learns from. `enter` opens the files: arrows choose, `enter` goes into a folder or takes a
file, letters narrow the list down, `/` and `~` begin a path, left and backspace go up, `escape` leaves. The file
you take is looked at, and the task it seems made for is set, with the reason; change the task if it is wrong.
It is cut into three parts: the network learns from **training**, is checked on **validation** while it learns,
and **test** is left for the very end.

**Symbol.** What one timestep reads: a character or a word. **Vocabulary.** The different symbols. Limiting it
keeps the most frequent ones; **least count** leaves out words that are rare. The rest are all read as one,
`<unk>`.

**Columns, label column.** Which columns of a table are read, by name or number; empty, they are guessed.

**Window, horizon.** How many values of a series are read before each forecast, and how many are forecast.

**Gap** (timesteps, longest). How long a generated probe is: how far what is asked for lies back.

## Model

**Cell.** What computes the hidden state h_t, the network's memory, from the symbol just read and from
h_(t-1). `rnn`: h_t = tanh(W_ih x_t + W_hh h_(t-1) + b), the simplest; it forgets quickly. `lstm` and `gru`
have gates that decide what is kept, so they remember longer. `feedforward` has no memory: the baseline.

**Layers.** Cells stacked on one another: the second reads the h of the first.

**Hidden size.** How many numbers h has in each layer. Parameters grow with its square.

**Embedding.** A learned vector that stands for each symbol. 0 means one-hot: a vector of zeros with a
single 1. With **tied weights** the readout uses the embedding's vectors again.

**Dropout.** During training a share of the activations is set to 0, drawn anew each time, so that no unit
can rely on a single other one. It acts between layers. *Locked* dropout keeps one draw for all timesteps;
*recurrent drop* sets weights of W_hh to 0 instead.

**Bidirectional.** A second layer reads from the end to the beginning. Fit for tags and labels; a language model
that has one sees the symbol that it must predict.

**Attention.** The decoder looks at every state of the encoder, not at the last alone.

**Initial state.** What h is before the first symbol: zeros, or a vector that is learned.

**Initial weights, forget bias.** Where learning starts. Orthogonal and identity matrices carry h over many
timesteps unchanged; a forget bias of 1 opens the LSTM's forget gate at the start, so it begins by keeping.

## Training

**Step** (update). One batch is read, the loss is computed, its gradient followed back, the weights moved.

**Batch.** How many streams, sentences, pairs ... are read side by side in a step. More is smoother, and takes
more memory. Those of unequal length are filled up; **masking** keeps what is filled in out of state and loss.
**Forgot to reset** is a mistake to look at: each sequence starts with what an unrelated one left.

**Timesteps.** How many symbols of each stream a step reads. The gradient is followed back exactly so far and
no further: that is the truncation in truncated backpropagation through time. What is read before it still
acts through h, if **carry state** is on.

**Shapes.** The diagram writes them as (B, T, F): batch, timesteps, features.

**Optimizer.** How a gradient becomes an update. `sgd` subtracts learning rate times gradient; `rmsprop`,
`adam` and `adamw` give each weight a step of its own size, from the gradients it has had.

**Learning rate.** The length of a step. Too long, and the loss jumps; too short, and nothing moves. A
**schedule** shortens it on the way.

**Clip norm.** A recurrent network's gradient can explode: one far too long step undoes hours. A gradient
longer than this is scaled down to it. The direction stays.

**Weight decay** pulls the weights toward zero. **Patience** stops when validation no longer improves.

## Beside the form

On the rows of the data: how much there is, what is reached without a network, and the first lines; or, in full,
why they can't be read. On all others the network, from what it reads to what it answers: each box a stage, the loop on
a recurrent layer h_(t-1) coming back, to the right the shape of what leaves it and its number of weights.
Below, how much memory training takes. **First loss**: before it has learned anything a network of V symbols
guesses evenly, which costs ln V nats; a first loss far from it means that something is wrong. **uniform,
unigram, bigram**: what it costs to guess evenly, from how frequent each symbol is, and from the symbol before
it alone. A network that is worse than the bigram line has learned nothing of longer memory yet. The lines
that begin with `!` are worth reading before you train.
"""

SESSIONS_HELP = """
# Sessions

A **session** is one network with all that belongs to it: weights, optimizer, the place in the text, curves,
samples, notes, and where you were. It is one file, `NAME.safetensors`, in the folder of this list. It is saved
by itself while it trains, and training goes on later exactly where it stopped.

**Steps**: updates made so far. **Perplexity**: e to the power of the validation loss in nats; the number of
equally likely symbols it is like choosing from. 1 is perfect. `-`: not validated yet.

**Open** takes a session as it was left, paused. The one that is open before is paused and saved.

**Now**: what another program does with a session that it has, here or on a machine that shares the folder. Opening
it **follows** it: losses and steps as they come, weights and curves of its newest save, nothing that changes it.
**Take over** has that program save it and let go, and training goes on here at the same step.

**Save as** goes on with the open session under another name; the file under the old name stays as it was last
saved. On a session that is not open it makes a **copy**.

**Delete** can't be undone, so it asks. The session that is open can't be deleted.

Sessions under *shipped with the lab* are examples; opening one makes a copy of your own.
"""
