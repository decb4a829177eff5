"""What happens to a picture on its way to a small file: blur, shrinking, noise, compression, once or twice."""
