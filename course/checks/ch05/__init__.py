"""Lesson 05, attention and small networks: what a right answer must satisfy."""

from course.checks.ch05 import channel_attention, charbonnier, mixed, place_attention, self_ensemble, take_over

EXERCISES = {
    "05.1": channel_attention.EXERCISE,
    "05.2": place_attention.EXERCISE,
    "05.3": mixed.EXERCISE,
    "05.4": charbonnier.EXERCISE,
    "05.5": take_over.EXERCISE,
    "05.6": self_ensemble.EXERCISE,
}
