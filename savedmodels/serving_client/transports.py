"""Which of the two protocols a client speaks."""


def make_transport(address, arguments, grpc_options):
    """`GrpcTransport` or `RestTransport`, whichever the address says.

    Args:
        address: `Address`.
        arguments: what both take behind it.
        grpc_options: what the first takes besides.

    Raises:
        ImportError: tensorflow-serving-api or urllib3 is not installed.
    """
    if address.is_grpc:
        from savedmodels.serving_client.grpc_transport import GrpcTransport

        return GrpcTransport(address, *arguments, grpc_options)
    from savedmodels.serving_client.rest_transport import RestTransport

    return RestTransport(address, *arguments)
