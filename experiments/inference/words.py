"""The words of the verdict, in the order in which a report tells them."""

from typing import Literal, get_args

Word = Literal["moves out", "moves in", "crosses", "slides", "stays", "undecided", "not trained"]

WORDS: tuple[Word, ...] = get_args(Word)
MOVES_OUT, MOVES_IN, CROSSES, SLIDES, STAYS, UNDECIDED, NOT_TRAINED = WORDS
