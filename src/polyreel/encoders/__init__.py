"""The seam between training and use: a two-tower model as ONNX graphs with a card."""
