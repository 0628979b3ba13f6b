"""Everything that needs Keras: the only package that imports TensorFlow or Keras."""
