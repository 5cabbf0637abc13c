"""Tests of prediction on Apache Beam."""
