"""The words of Inspect and Generate, explained for a person who meets them for the first time."""

from __future__ import annotations

INSPECT_HELP = """
# Inspect

A network that reads a text takes one symbol at each **timestep** t. Here you see what happened inside at
every one of them: the text runs from left to right, and everything that belongs to a timestep stands under
its symbol. Moving the cursor computes nothing; the whole reading is there at once. It works while the
training goes on: the first line says which weights read the text, `r` reads it again with the newest,
`F` does so by itself every few seconds.

**h_t**, the hidden state, is the network's memory after symbol t: one number for each **unit**, made from
the symbol just read and from h_(t-1). Together with c_t in an LSTM it is all that the network takes along
from the past; the next symbol is predicted from the last layer's h_t.
h_0 is zero, or learned. Units, layers and timesteps count from 0.

**c_t**, the cell state, is the LSTM's long memory beside h_t. It is changed by adding, so it can keep a
value over many timesteps: c_t = f_t * c_(t-1) + i_t * g_t, and h_t = o_t * tanh(c_t).

**Gates** are numbers between 0 (closed) and 1 (open), new at every timestep, one for each unit.
In an LSTM: **i**, input, how much of the candidate g is let in; **f**, forget, how much of c_(t-1) is kept
(1 keeps all); **o**, output, how much of the cell is shown in h. **g** is the candidate, between -1 and 1.
In a GRU: **r**, reset, how much of the past the candidate n sees; **z**, update, how much of h_(t-1) stays:
h_t = (1 - z_t) * n_t + z_t * h_(t-1).

**Surprise**, the cost of a symbol, is -log2 p in bits, where p is the probability that the network gave the
symbol before it came. 0 bits: it was certain. 1 bit: as a coin. 6 bits: 1 in 64. The symbol that
surprised has the colour, not the one before it. What is **expected next** stands apart, at the bottom right:
the likeliest symbols after the cursor, and with `true` the one that came; where it is not among them, it stands
below them with the probability that it had.

**Perplexity** is 2 to the power of the mean cost in bits: the number of equally likely symbols that it would
be as hard to choose from. 1 is perfect.

**Colours.** A cell is as high as its value is large. Blue is negative, orange positive, grey near zero; gates
run from dark (closed) to bright (open). Without colours other signs stand for the sign: `- = ≡` negative,
`+ * #` positive.

**Scales.** Gates go from 0 to 1; g, n and an h that went through tanh from -1 to 1. c has no bound, and neither
has the h of a ReLU: side by side all units share one scale, which the line below the grid tells, and a few of the
largest values lie beyond it. The rows of a single unit reach up to its own largest size in this text: `c ±1.2`.

**Values.** `v` goes through them; after the last come all values of the chosen unit, and then the text has the
colour of that unit's memory, c or else h: a unit that follows something in the text shows it there.

**Order.** `S`: by number; by change, units that move most from timestep to timestep first; by size, those
that are largest at the cursor first. The order stands still until you press `S`, `v` or `[ ]` again.

`g` hands the text up to the cursor to Generate. Read again from h_0 it leads to this very h_t, so the model
goes on from here.
"""

GENERATE_HELP = """
# Generate

The network reads the **prompt** and then writes: it gives every symbol of its vocabulary a probability, one
is drawn, written, read as the next input, and so on. It works while the training goes on, with the weights
of the step that the first line names.

**Temperature** divides the scores (logits) before they become probabilities. 1: as the network learned
them. Below 1 likely symbols become likelier still: careful, repetitive. Above 1 they even out: bold, with
more mistakes. 0 takes the likeliest every time, so the seed no longer matters.

**Top-k** draws among the k likeliest symbols only. 0: among all.

**Top-p** draws among the fewest likeliest symbols whose probabilities add up to p at least. It leaves out
the unlikely tail, however long it is just then. 1: among all.

**Seed** begins the row of chance numbers. The same seed, prompt, options and weights give the same text;
`r` writes again with the next seed.

**Probability** (`v`): each symbol is coloured by its surprise when it was drawn, -log2 p in bits, in the
distribution that was drawn from: after temperature, top-k and top-p. Beside it stand the candidates for the
last symbol. Where there are no colours, symbols of 3 bits or more are underlined.

**Weights**: the newest, or those of the best validation so far. There is a choice once there was a validation.

**Perplexity** is 2 to the power of the mean of these bits: from how many equally likely symbols it chose.
"""
