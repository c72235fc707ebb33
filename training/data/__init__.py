"""Data: folders of pictures, their split, and the darkroom that makes what no licensed folder holds."""
