"""Photographs from Flickr groups as training data: ``python -m training.data.flickr``.

One folder a label, files ``<owner>_<photo id>.jpg``, so that `training.data.pictures` keeps a photographer on one side
of the split. `collect` is the loop; `record` makes a killed run lose and repeat nothing.
"""
