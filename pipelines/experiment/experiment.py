"""What `pipelines.experiment` asks of each of them."""

import abc


class Experiment(abc.ABC):
    """One of the paper's claims: trains models, measures them, and goes on where it was killed.

    Its fields are set by gin. One that draws samples has `show(path, say)` besides, which makes
    pictures and sound of them; one whose model is kept is a `TrainsAModel`.
    """

    @property
    @abc.abstractmethod
    def sets(self):
        """dict of str: folders of the sets that it reads, by what they are called.

        That of a model that is kept comes first.
        """

    @abc.abstractmethod
    def check(self):
        """Refuses sizes that do not fit each other, before anything is trained.

        Raises:
            UserError: names them.
        """

    @abc.abstractmethod
    def run(self, path, say):
        """Trains and measures, or draws, what is not in the table yet.

        Args:
            path: path of the table, PATH.csv, and prefix of weights and samples.
            say: function of a line.

        Returns:
            `Table`.
        """


class TrainsAModel(Experiment):
    """An experiment one of whose models is worth keeping."""

    @abc.abstractmethod
    def kept_weights(self, path):
        """Where the weights of the model that is kept are, or will be: prefix of `fitting.fit`.

        Args:
            path: path, that of `run`.
        """

    @abc.abstractmethod
    def kept_rows(self, rows):
        """Those rows of the table that say how good the model that is kept is.

        Args:
            rows: list of dict of str.
        """

    @abc.abstractmethod
    def trained(self, path, say):
        """The model that is kept of it, with its weights; trained where it is not yet.

        Args:
            path: path, that of `run`.
            say: function of a line.

        Returns:
            `PerceiverARCausalLM`, and the figures of its training as `fitting.fit` gives them.
        """
