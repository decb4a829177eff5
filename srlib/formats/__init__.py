"""What files of pictures hold: behind the door that is srlib.image."""
