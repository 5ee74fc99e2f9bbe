import pickle

from savedmodels.serving_client.serving_error import ServingError


def test_the_message_names_model_endpoint_signature_field_and_remedy():
    error = ServingError("refused", "the bytes of text …", "books", "grpc://h:1", "score", "text")
    assert str(error) == (
        "model 'books' at grpc://h:1, signature 'score': text: the bytes of text …: correct it and "
        "ask again"
    )
    error = ServingError("refused", "text must …", "books", "grpc://h:1", "score", "text")
    assert "'score': text must …: " in str(error)


def test_it_goes_from_process_to_process():
    error = ServingError("not_there", "gone", "books", "grpc://h:1")
    error.attempts, error.seconds = 3, 1.25
    copied = pickle.loads(pickle.dumps(error))
    assert str(copied) == str(error) and "(tried 3 times in 1.2 s)" in str(error)
    assert (copied.kind, copied.may_pass, copied.is_users) == ("not_there", True, False)
