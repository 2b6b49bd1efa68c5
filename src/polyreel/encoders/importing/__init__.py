"""Models of others as bundles: ready ONNX exports, or weights that are exported here."""
