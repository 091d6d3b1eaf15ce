"""What the exporter costs beside what others cost: ratios, all of one run on one core. See docs/performance.md."""
