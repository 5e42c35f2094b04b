"""Which tiles a training batch is made of."""
