import CKernels

#if ISA_AVX512
  private let products: Int32 = 1
#else
  private let products: Int32 = 0
#endif

/// The functions of this module's instruction set.
public func kernels() -> isa_kernels {
  isa_kernels(
    bf16: products,
    pack_keys: { packKeys($0!) },
    pack_values: { packValues($0!) },
    pack_queries: { packQueries($0!) },
    mean: { meanRows($0!) },
    begin: { beginPanel($0!, $1) },
    attend: { attend($0!) },
    terms: { attendTerms($0!) },
    finish: { finishPanel($0!) },
    scores: { scores($0!) },
    excess: { excess($0!) },
    soften: { soften($0!) },
    lost: { massLost($0!) },
    choose: { choose($0!) },
    accumulate: { accumulate($0, $1, $2) },
    error: { squaredError($0, $1, $2, $3) },
    burst: { burst($0, $1, $2) },
    burst_products: Int64(chains &* lanes))
}
