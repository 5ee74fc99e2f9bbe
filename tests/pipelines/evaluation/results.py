"""Results as `evaluation.measure` gives them."""


def a_result(**changed):
    """Of a run of text."""
    return {
        "bits_per_byte": 2.5,
        "loss": 1.75,
        "targets": 1500,
        "ci95": [2.25, 2.75],
        "ci95_of": "bits_per_byte",
        "documents": 3,
        "loss_by_position": [
            {"from": 0, "to": 512, "loss": 2.0, "targets": 500},
            {"from": 512, "to": 1024, "loss": 1.5, "targets": 1000},
        ],
        "loss_by_latent": [{"from": 0, "to": 1, "loss": 1.75, "targets": 1500}],
        "num_latents": 4,
        "context": 8,
        "stride": 4,
        "flops_per_target": 22688,
        "targets_per_second": 1234.5678,
        "step": 30,
        "split": "test",
        **changed,
    }
