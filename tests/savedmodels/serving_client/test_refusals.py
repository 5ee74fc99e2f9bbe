import pytest

from savedmodels.serving_client.refusals import clean, find_field, refusal

PLACE = {"model": "books", "endpoint": "grpc://host:8500", "signature": "score"}


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        ("NOT_FOUND", "Servable not found for request: Latest(books)", "unknown_model"),
        ("NOT_FOUND", "Servable not found for request: Specific(books, 9)", "unknown_version"),
        ("NOT_FOUND", "Could not find any versions of model books", "unknown_model"),
        ("NOT_FOUND", "Could not find version 9 of model books", "unknown_version"),
        ("INVALID_ARGUMENT", "Unrecognized servable version label: x", "unknown_version"),
        ("FAILED_PRECONDITION", 'Serving signature key "x" not found.', "unknown_signature"),
        (
            "INVALID_ARGUMENT",
            'Serving signature name: "x" not found in signature def',
            "unknown_signature",
        ),
        ("RESOURCE_EXHAUSTED", "CLIENT: Received message larger than max (9 vs. 4)", "too_large"),
        ("RESOURCE_EXHAUSTED", "Sent message larger than max (9 vs. 4)", "too_large"),
        ("RESOURCE_EXHAUSTED", "The batch scheduling queue is full", "overloaded"),
        ("UNAVAILABLE", "Trying to connect an http1.x server", "wrong_port"),
        ("UNAVAILABLE", "Tls handshake failed (TSI_PROTOCOL_FAILURE)", "tls"),
        ("UNAVAILABLE", "Connection refused", "not_there"),
        ("CANCELLED", "", "not_there"),
        ("DEADLINE_EXCEEDED", "Deadline Exceeded", "timeout"),
        ("UNAUTHENTICATED", "", "denied"),
        ("PERMISSION_DENIED", "", "denied"),
        ("INVALID_ARGUMENT", "lengths must …", "refused"),
        ("OUT_OF_RANGE", "", "refused"),
        ("NOT_FOUND", "HTTP status 404: nginx", "broken_answer"),
        ("UNIMPLEMENTED", "", "broken_answer"),
        ("INTERNAL", "", "failed"),
        ("DATA_LOSS", "", "failed"),
    ],
)
def test_kinds(code, message, kind):
    error = refusal(code, message, **PLACE)
    assert error.kind == kind
    assert "books" in str(error) and "grpc://host:8500" in str(error) and "'score'" in str(error)


def test_only_what_may_pass_is_tried_again():
    codes = ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "CANCELLED"]
    assert all(refusal(code, "", **PLACE).may_pass for code in codes)
    stay = ["INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "INTERNAL", "UNAUTHENTICATED"]
    assert not any(refusal(code, "", **PLACE).may_pass for code in stay)
    assert not refusal("RESOURCE_EXHAUSTED", "message larger than max", **PLACE).may_pass


@pytest.mark.parametrize(
    "message",
    [
        "assertion failed: [lengths must not exceed 4, got] [5 6]\n\t [[{{node Assert_2/Assert}}]]",
        "{{function_node __inference_f_1}} {{function_node __inference_g_2}} assertion failed: "
        "[lengths must not exceed 4, got] [5 6]\n\t [[{{node Assert}}]]\n\t [[Call]] [Op:__x_3]",
        "Graph execution error:\n\nDetected at node Assert_3/Assert defined at (most recent call "
        "last):\n<stack traces unavailable>\nassertion failed: [lengths must not exceed 4, got] "
        "[5 6]\n\t [[{{node Assert_3/Assert}}]] [Op:__inference_signature_wrapper_5689]",
    ],
)
def test_the_words_of_an_assertion_are_left(message):
    assert clean(message).startswith("lengths must not exceed 4, got, got [5 6]")
    assert "node" not in clean(message) and "\n" not in clean(message)


NAMES = ("text", "lengths", "max_new_tokens")


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("lengths + max_new_tokens must not exceed", "lengths"),
        ("max_new_tokens must hold one number for each row of text", "max_new_tokens"),
        ("the bytes of text must be fewer", "text"),
        ("a context of 5", None),
        ("Sent extra: {}. Missing but required: {lengths,text}.", "lengths"),
        ("len({text}) Sent extra: {other}. Missing but required: {}.", "other"),
        ("Missing named input: seed in 'inputs' object.", "seed"),
        ("Signature input alias: seed(feed name: a:0) not found in request {text}", "seed"),
    ],
)
def test_the_field_to_blame(message, field):
    assert find_field(message, NAMES) == field
