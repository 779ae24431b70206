"""Fixtures for all tests."""

pytest_plugins = ['tests.fakes.fixtures']
