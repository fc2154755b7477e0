"""The words of Inspect, Gradients and Generate, explained for a person who meets them for the first time."""

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

**The equation** (`enter`) writes out how the chosen unit's numbers come about at the cursor, term by term, as the
textbook has them. W_ih x is what the symbol just read adds, W_hh h_(t-1) what the memory adds, b_ih and b_hh are
constants that were learned, the **biases**. Their sum is the **pre-activation**; the **activation** squeezes it:
sigmoid into 0 to 1, tanh into -1 to 1, ReLU cuts what is below 0. `v` goes through the lines. Of the one that is
chosen you see what adds most, as weight x input = what it adds, by name: `'e'` is the symbol just read, `h 12` unit 12
of h_(t-1), `layer 0 h 5` a unit of the layer below. On the curve stands the point where it is now: out on the
flat ends it is **saturated**, and little that the past does can move it.

**By hand**: `enter` again hides the results and asks for them, one after another. Three decimals are enough. `enter`
alone shows the answer. `escape` leaves the line, so that you can go elsewhere, and once more shows everything.
With the preset of 3 units everything that you need stands there: weights, the symbol's column, h_(t-1).

**Hold** (`x`) keeps the shown value of the unit at 0 whatever its equation says, and shows what becomes of it: what
is expected next without and with it, how the cost of the whole text changes, where most, and what is written from
here when the cursor rests. This is an **intervention**: it tells whether the unit matters, and not only whether
it goes along with something. `X` asks what to hold: `0.5` the shown value; `all 0` that of every unit of the layer;
`here 0.5` at this timestep only; `f 1` another value by its name; `release` lets all go, as `x` does for one.
What is held shows in every pane until it is released. It never touches the training.

**Find units** (`/`): a regular expression, or the name of a built-in mark, marks symbols: `"[^"]*"` what stands in
quotes, `column` the position in the line. All units of all layers, h and c, are ranked by how well their value tells
marked symbols from the rest of 100,000. **AUC** is the chance that a marked symbol has the higher value of the two,
or the lower one where it says so: 0.5 tells nothing, 1 tells all. `n` and `N` go through the units, and the text has
each one's colour; what is marked is underlined.

**Find a state** (`m`): once where a range of timesteps begins, once where it ends. The units that are **on** all
through it, with a value of at least the threshold (`+ -`), are sought in the corpus: the places where most of them
are on again come first, and of these the ones where few others are. `n` and `N` read them.

**Saturation** (`G`): a gate is left-saturated below 0.1, nearly closed, and right-saturated above 0.9, nearly open.
Each dot is a unit, further right the more often its gate is closed, higher up the more often it is open. A unit
whose f is nearly always open can remember for long. The h of a **dead** unit never moves.

**Full text** (`f`): all of it on many lines, with its loss and perplexity: paste any text to score it. `v` colours it
by the chosen unit's value.

**Other tasks.** A word or a number stands in a cell of one width; at the cursor it is whole. Where a tag, a class or
a number is answered, the **cost** under a symbol is that of the right answer there, and at the bottom right stand the
likeliest answers, the **right** one marked; of a sequence that is answered once, what would be answered **if it ended
here**. Numbers are told in their own units, and in the place of the cost stands what was **read**. `( )` goes to
another example.

**Backward.** A network that reads both ways has a second set of states and gates, made from what comes later. `v` goes
through them after the forward ones; in a row's label they are `<h`, `<c` and so on.

**Encoder and decoder** stand on one axis: `|decoder` is where the second begins, with the first one's last states.
**Attention**: the row `attend` says which source symbols it looked at when it answered at the cursor; with the cursor
in the source, `seen by` says when it was looked at.

**Padding** (`B`): sequences of unequal length are filled up to one batch. Masked, what fills up enters neither state
nor cost; read as data it does. Each sequence is shown both ways, and where its states **differ**; `B` again fills up
at the other end.

**Dropout** (`D`): the masks of one training batch. Between layers another is drawn at each timestep, unless it is
locked; one of W_hh is the same for all timesteps, so that the memory is not worn away step by step.

**Training time** (`, .`): a probe text is read at about 40 steps of the training and kept: one goes back and watches
a unit become what it is, while the timestep stays. `T` draws the chosen unit at all of these steps, one below the
other. A recording has h, c and the likeliest symbols, no gates. Escape leads back to the live text.

`g` goes on in Generate from this very h_t, with the weights that read the text and with what is held. Change the
prompt there, and it reads the prompt instead.
"""

GRADIENTS_HELP = """
# Gradients

A network learns from the **gradient**: how the cost L of one symbol would change if a number inside were a
little larger. To learn that an early symbol matters, the gradient must find its way back to it, through every
timestep in between. Here you see how much of it arrives. `v` goes through three views.

## How far it reaches

**dL/dh_t** is the gradient with respect to the hidden state after symbol t, and **|dL/dh_t|** its length. The
bars stand under the text, each row so many powers of ten: a blank cell in the row 1e-6 says that it is smaller.
L, the cost in nats of the symbol after the loss's place, stands where the mark row says L; `enter` puts it at
the cursor. An LSTM's dots are **dL/dc_t**, which goes back along the cell and not through h.

**Horizon**: how many timesteps back at least 1e-6 of the gradient that arrives at the loss's own timestep is left.
What happened before it can hardly be learned from this cost.

**Vanished**: below 1e-6 or 1e-8 it is lost in rounding and in the gradients of other symbols. **Exploded**: above
1e10 a step would throw the weights far away. `^` is a number too large to be held, `0` is exactly zero.

**Spectral radius** of W_hh: the size of its largest eigenvalue. The textbook's story: each step back multiplies by
W_hh, so the gradient shrinks as radius^k after k steps if the radius is below 1, and grows if it is above. It is
not all: each step also multiplies by the slope of the nonlinearity, which is at most 1, so that the **product of
Jacobians** shrinks even at radius 1. The largest **singular value** says how much a single step can stretch.

`c` compares RNN, GRU and LSTM of the same size: fresh ones, then trained ones of this folder.

**Other tasks.** L is the cost of the right answer, of numbers the squared error, and stands only where something is
asked. Where no right answer is known it is the cost of the likeliest. A network that reads both ways has a second
chart: what comes later reaches L through the **backward** direction. At `|decoder` the gradient goes over from the
decoder into the encoder.

## Step by step

**BPTT**, backpropagation through time, walks from the loss to the left, one timestep at each `left`. At every
step it adds to the gradients of the weights, which are the same at all timesteps: `gathered` is the length of the
sum so far. The training cuts its texts into pieces of `training.sequence_length` symbols: the state crosses the
cut, the gradient does not, and it is exactly 0 beyond. **k** says after how many timesteps it is cut here; `{` and
`}` change it.

## While it trains

The length of each group's gradient over the steps of the run, and **upd/weight**, the length of an update over the
length of the weights: about 1e-3 is a good rule of thumb, 1e-2 is a lot. **Clip**: a longer gradient is shortened
to that length. `%` sets it to the 90th percentile of the last 1,000 steps, so that one step in ten is clipped.

The **flight recorder** keeps the last updates: loss, gradient's length, rate, whether it was clipped, and what the
first stream of the batch read. Where a number became infinite, it names the first tensor, and `u` goes back to the
last finite weights. `X` breaks it on purpose.
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
