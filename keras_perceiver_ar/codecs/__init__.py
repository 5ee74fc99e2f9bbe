"""Codecs turn data into event ids and back. They need numpy only.

Every codec keeps id 0 for padding, 1 for the end and 2 for the start of a sequence; data starts
at 3.
"""

from keras_perceiver_ar.codecs import byte_codec as byte_codec
from keras_perceiver_ar.codecs import image_codec as image_codec
from keras_perceiver_ar.codecs import notes as notes
from keras_perceiver_ar.codecs import performance_augmentation as performance_augmentation
from keras_perceiver_ar.codecs import performance_codec as performance_codec
