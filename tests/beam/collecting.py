"""What a pipeline that runs in this process collects."""

import apache_beam as beam

_COLLECTED = {}


class _Collect(beam.DoFn):
    def __init__(self, name):
        super().__init__()
        self._name = name

    def process(self, element):
        _COLLECTED[self._name].append(element)


def collected(elements, name):
    """A list that holds the elements once the pipeline has run."""
    _COLLECTED[name] = []
    _ = elements | f"Collect {name}" >> beam.ParDo(_Collect(name))
    return _COLLECTED[name]
