"""The secrets of a production installation: a folder for each holder, a file for each setting."""
