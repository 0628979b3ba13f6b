"""Grad-CAM: where in the last feature maps the evidence for pneumonia lies.

Selvaraju et al. 2017 (arXiv:1610.02391), from the class logit, not from the probability: the
sigmoid's gradient vanishes for the clearest films. The gradient runs through the head only.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf


def grad_cam(
    features: tf.Tensor, head: Callable[[tf.Tensor], tf.Tensor]
) -> tuple[tf.Tensor, tf.Tensor]:
    """Feature maps (N, h, w, C) -> logits (N,) and evidence maps (N, h, w) >= 0, unscaled.

    `head` takes features to logits (N, 1). Both results are float32 and of the same pass.
    """
    features = tf.cast(features, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(features)
        logits = head(features)  # (N, 1)
    gradients = tape.gradient(logits, features)  # (N, h, w, C)
    # Equation 1: alpha_k = 1/Z sum_ij dy/dA_ij^k
    alpha = tf.reduce_mean(gradients, axis=(1, 2), keepdims=True)  # (N, 1, 1, C)
    # Equation 2: L = ReLU(sum_k alpha_k A^k)
    evidence = tf.nn.relu(tf.reduce_sum(alpha * features, axis=-1))  # (N, h, w)
    return logits[:, 0], evidence


def heatmap(evidence: np.ndarray, floor: float) -> np.ndarray:
    """Evidence (h, w) >= 0 -> heat (h, w) float32 0..1.

    The strongest place becomes 1, unless it is below `floor`: weak evidence stays weak and no
    evidence stays 0, where dividing by the maximum would stretch noise to full heat or give NaN.
    """
    strongest = max(float(evidence.max(initial=0.0)), floor)
    return (evidence / strongest).astype(np.float32)
