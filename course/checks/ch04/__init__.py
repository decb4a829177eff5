"""Lesson 04, SRResNet: what a right answer must satisfy."""

from course.checks.ch04 import batch_norm, forward, pixel_shuffle, residual_block, seen, transposed_kernel

EXERCISES = {
    "04.1": residual_block.EXERCISE,
    "04.2": batch_norm.EXERCISE,
    "04.3": pixel_shuffle.EXERCISE,
    "04.4": transposed_kernel.EXERCISE,
    "04.5": forward.EXERCISE,
    "04.6": seen.EXERCISE,
}
