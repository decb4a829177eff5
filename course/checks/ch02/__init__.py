"""Lesson 02, measuring: what a right answer must satisfy."""

from course.checks.ch02 import luma, protocol, psnr, repaired, shave, ssim

EXERCISES = {
    "02.1": psnr.EXERCISE,
    "02.2": luma.EXERCISE,
    "02.3": shave.EXERCISE,
    "02.4": ssim.EXERCISE,
    "02.5": protocol.EXERCISE,
    "02.6": repaired.EXERCISE,
}
