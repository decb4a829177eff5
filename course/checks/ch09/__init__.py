"""Lesson 09, Real-ESRGAN: what a right answer must satisfy."""

from course.checks.ch09 import averaged, generator_step, sharpened, spectral, swap, tiled

EXERCISES = {
    "09.1": sharpened.EXERCISE,
    "09.2": spectral.EXERCISE,
    "09.3": swap.EXERCISE,
    "09.4": averaged.EXERCISE,
    "09.5": generator_step.EXERCISE,
    "09.6": tiled.EXERCISE,
}
