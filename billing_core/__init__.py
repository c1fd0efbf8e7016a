"""Rules of money and time: pure, standard library only, no clock and no I/O."""
