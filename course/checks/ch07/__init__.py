"""Lesson 07, ESRGAN: what a right answer must satisfy."""

from course.checks.ch07 import (
    back_projection,
    dense_block,
    discriminator_loss,
    generator_loss,
    interpolated,
    renamed,
    rrdb,
)

EXERCISES = {
    "07.1": dense_block.EXERCISE,
    "07.2": rrdb.EXERCISE,
    "07.3": discriminator_loss.EXERCISE,
    "07.4": generator_loss.EXERCISE,
    "07.5": interpolated.EXERCISE,
    "07.6": back_projection.EXERCISE,
    "07.7": renamed.EXERCISE,
}
