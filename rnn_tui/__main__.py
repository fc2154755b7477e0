"""`python -m rnn_tui`: the same as `rnn-lab`."""

from rnn_tui.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
