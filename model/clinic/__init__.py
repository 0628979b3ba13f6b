"""Work with many X-rays: worklists, reviews by clinicians, agreement, kept images."""
