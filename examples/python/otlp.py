"""Records what an app does through OpenTelemetry's own SDK: nothing here knows of Cairn.

    pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http
    export OTEL_SERVICE_NAME=orders
    export OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=http://127.0.0.1:7070/v1/logs/main/sources/otel/v1/logs
    export OTEL_EXPORTER_OTLP_LOGS_HEADERS=Authorization=Bearer%20<the source's token>
    python3 otlp.py

`cairn sources add otlp` makes the source and shows its token.
"""

import time

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

provider = LoggerProvider()
provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
logger = provider.get_logger("orders.audit", "1.0.0")


def audit(event_name, **attributes):
    """One audit event. Attributes have the names of OpenTelemetry's semantic conventions."""
    logger.emit(
        LogRecord(
            timestamp=time.time_ns(),
            observed_timestamp=time.time_ns(),
            severity_number=SeverityNumber.INFO,
            severity_text="INFO",
            event_name=event_name,
            attributes={name.replace("__", "."): value for name, value in attributes.items()},
        )
    )


audit("identity.login", user__id="alice@example.com", client__address="203.0.113.9")
audit(
    "api.request",
    user__id="alice@example.com",
    client__address="203.0.113.9",
    http__request__method="DELETE",
    url__path="/v1/orders/42",
    http__route="/v1/orders/{id}",
    http__response__status_code=403,
)
# All of it is durable when this returns True.
if not provider.force_flush():
    raise SystemExit("the log did not take all of it")
provider.shutdown()
print("recorded 2 events")
