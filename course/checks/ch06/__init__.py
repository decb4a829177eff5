"""Lesson 06, SRGAN: what a right answer must satisfy."""

from course.checks.ch06 import diagnose, discriminator_loss, features_at, game_step, generator_loss, perceptual

EXERCISES = {
    "06.1": features_at.EXERCISE,
    "06.2": perceptual.EXERCISE,
    "06.3": discriminator_loss.EXERCISE,
    "06.4": generator_loss.EXERCISE,
    "06.5": game_step.EXERCISE,
    "06.6": diagnose.EXERCISE,
}
