"""A process that reads batches of shards, and prints the step and the hash of each.

python -m tests.pipelines.data.read_batches SHARDS START NUMBER [HOST HOSTS INTRA INTER POOL]

Threads of TensorFlow's operations, and of tf.data's own pool; 0 is as many as TensorFlow likes.
"""

import hashlib
import sys

WINDOW_BYTES = 600  # two or three shards of the tests at a time, several windows an epoch


def batches(path, start, number, host=0, hosts=1, pool=0):
    """Hashes of batches: of the ids and labels, byte for byte."""
    import tensorflow as tf

    from pipelines.data import ShardsTask

    task = ShardsTask(path)
    task.window_bytes = WINDOW_BYTES
    rows = {"context": 32, "batch_size": 8, "seed": 5}
    dataset = task.train_dataset(**rows, start_step=start, shard_index=host, num_shards=hosts)
    options = tf.data.Options()
    options.threading.private_threadpool_size = pool
    for inputs, labels in dataset.with_options(options).take(number):
        data = inputs["token_ids"].numpy().tobytes() + labels.numpy().tobytes()
        yield hashlib.sha256(data).hexdigest()


def main(path, *numbers):
    """Prints a line for each batch as soon as it is there."""
    start, number, host, hosts, intra, inter, pool = (*map(int, numbers), 0, 1, 0, 0, 0)[:7]
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(intra)
    tf.config.threading.set_inter_op_parallelism_threads(inter)
    for step, line in enumerate(batches(path, start, number, host, hosts, pool), start):
        print(step, line, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
