"""What a graph in a file may call, and the numbers that stand for types there."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch

_COMPUTING = """
abs acos adaptive_avg_pool1d adaptive_avg_pool2d _adaptive_avg_pool2d adaptive_max_pool2d add addbmm addcdiv addcmul
addmm addmv alias all alpha_dropout amax amin any arange argmax argmin asin atan atan2 avg_pool1d avg_pool2d
avg_pool3d baddbmm batch_norm bitwise_and bitwise_not bitwise_or bmm broadcast_tensors broadcast_to cat ceil celu
channel_shuffle chunk clamp clamp_max clamp_min clone concat constant_pad_nd contiguous conv1d conv2d conv3d
conv_transpose1d conv_transpose2d conv_transpose3d convolution copy cos cosh cumprod cumsum detach diag diag_embed
diagonal div divide dot dropout einsum elu embedding empty empty_like eq erf erfc exp exp2 expand expand_as expm1 eye
feature_dropout fill flatten flip floor floor_divide fmod frac full full_like gather ge gelu glu grid_sampler
grid_sampler_2d group_norm gt hardsigmoid hardswish hardtanh hypot index index_select instance_norm isclose isfinite
isinf isnan layer_norm le leaky_relu lerp lift_fresh lift_fresh_copy linalg_norm linalg_vector_norm linear linspace
log log10 log1p log2 log_softmax _log_softmax logaddexp logical_and logical_not logical_or logical_xor logit logsumexp
lt masked_fill matmul max max_pool2d maximum mean meshgrid min minimum mish mm movedim mse_loss mul multiply mv
nan_to_num narrow native_batch_norm _native_batch_norm_legit_no_training native_group_norm native_layer_norm ne neg
new_empty new_full new_ones new_zeros norm numpy_T one_hot ones ones_like outer pad permute pixel_shuffle
pixel_unshuffle pow prelu prod reciprocal reflection_pad1d reflection_pad2d reflection_pad3d relu relu6 remainder
repeat repeat_interleave replication_pad1d replication_pad2d replication_pad3d reshape rms_norm roll rot90 round rsqrt
rsub scalar_tensor scaled_dot_product_attention select selu sigmoid sign silu sin sinc sinh slice softmax _softmax
softplus split split_with_sizes sqrt square squeeze stack std std_mean sub subtract sum swapaxes sym_numel sym_size
sym_stride t tan tanh tensor_split threshold tile to _to_copy transpose tril triu true_divide trunc type_as unbind
unflatten _unsafe_view unsqueeze upsample_bicubic2d upsample_bilinear2d _upsample_bilinear2d_aa upsample_linear1d
upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact2d upsample_trilinear3d var var_mean
view view_as where zeros zeros_like
"""
_CHECKING = "_assert_tensor_metadata _assert_scalar _assert_async sym_constrain_range sym_constrain_range_for_size"
_OF_SIZES = "add sub mul floordiv truediv mod neg pos eq ne lt le gt ge and_ or_ getitem"
_OF_SYMBOLS = "sym_float sym_int sym_max sym_min sym_not sym_ite"

OPERATORS = frozenset(_COMPUTING.split())
"""Operators of `torch.ops.aten` that compute, and do nothing else: others read files, write them, or draw numbers."""
CHECKS = frozenset(_CHECKING.split())
"""Operators that compute nothing: what they check is checked here, or fails by itself."""
SIZES: dict[str, Callable[..., Any]] = {
    **{f"_operator.{name}": getattr(operator, name) for name in _OF_SIZES.split()},
    **{f"torch.{name}": getattr(torch, name) for name in _OF_SYMBOLS.split()},
}
"""Functions of sizes, such as that of a batch."""
DTYPES = {
    1: torch.uint8, 2: torch.int8, 3: torch.int16, 4: torch.int32, 5: torch.int64, 6: torch.float16, 7: torch.float32,
    8: torch.float64, 10: torch.complex64, 11: torch.complex128, 12: torch.bool, 13: torch.bfloat16,
}  # fmt: skip
"""By torch.export's numbers, which are not those of torch itself."""
MEMORY_FORMATS = {
    1: torch.contiguous_format,
    2: torch.channels_last,
    3: torch.channels_last_3d,
    4: torch.preserve_format,
}
STRIDED = 7
