"""python -m savedmodels.client: asks a model on TensorFlow Serving to continue a prompt.

In Python:

    with Client("localhost:8500", "books") as client:
        print(client.generate_text("It was ", max_new_tokens=100)["text"][0])

The client needs NumPy, tenacity, and urllib3 for REST or tensorflow-serving-api for gRPC; neither
Keras nor the other packages of this repository.
"""

from savedmodels.serving_client.client import Client
from savedmodels.serving_client.retries import Retries
from savedmodels.serving_client.serving_error import ServingError

__all__ = ["Client", "Retries", "ServingError"]


def main(arguments=None):
    """Runs the command.

    Args:
        arguments: list of str, or None for the command line's.
    """
    from savedmodels.serving_client import command

    command.main(arguments)


if __name__ == "__main__":
    from pipelines import command_line

    command_line.run(main)
