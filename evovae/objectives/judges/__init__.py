"""Judges: classifiers that score images, one used inside fitness and one that evolution never sees.

Evolution finds whatever a fitness rewards, the blind spots of a classifier included (Nguyen et al. 2015, "Deep neural
networks are easily fooled"). So there are two of them. The *judge* may be part of an objective; the *held-out* judge
never is, and shows whether an image that pleases the judge is believable to one of another architecture.

How well both read images that they have not learned is measured, and said beside what they say.
"""
