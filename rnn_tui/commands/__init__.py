"""What each verb of `rnn-lab` does, without a screen."""
