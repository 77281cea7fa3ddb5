import CalibrationCore
import OnnxRuntime
import SparseAttention

/// Measures a machine's cost model: a few heads against each of ONNX Runtime's ways to attend, interleaved, one thread by
/// its CPU time; once more with a bias. Some four seconds.
struct CostMeasurement {
  var tokens = [64, 256, 512, 1024, 2048]
  var headSizes = [64, 128]
  /// One would be little beside what a call costs anyhow, and would not share the bias.
  var heads = 4

  func run(_ identity: CostModelFile.Identity) throws -> CostModel {
    var rows: [CostModel.Row] = []
    for headSize in headSizes {
      for tokens in tokens {
        for hasBias in [false, true] { rows += try measure(tokens: tokens, headSize: headSize, hasBias: hasBias) }
      }
    }
    return CostModel(
      tool: identity.tool, machine: identity.machine, kernel: identity.kernel, runtime: identity.runtime, rows: rows)
  }

  private func measure(tokens: Int, headSize: Int, hasBias: Bool) throws -> [CostModel.Row] {
    let graph = BenchGraph(tokens: tokens, heads: heads, headSize: headSize, hasBias: hasBias)
    var inputs = try BenchInputs.gaussian(tokens: tokens, width: heads * headSize)
    if hasBias {
      let noise = inputs[BenchGraph.inputs[0]]?.floats ?? [0]
      inputs[BenchGraph.bias] = try OnnxRuntime.Tensor(
        (0..<tokens * tokens).map { noise[$0 % noise.count] }, shape: [1, 1, tokens, tokens])
    }
    func contender(_ model: [UInt8]) throws -> BenchContender { try BenchContender(model, threads: 1, inputs) }
    let exact = try contender(graph.operatorModel(.exact, compute: .float32, statistics: false))
    // A sparse policy takes no bias.
    var listing: BenchContender?
    var density = 1.0
    if !hasBias {
      let sparse = BenchCase.listed(.loss, oneIn: 32).policy
      density = try BenchContender.density(
        graph.operatorModel(sparse, compute: .float32, statistics: true), inputs)
      listing = try contender(graph.operatorModel(sparse, compute: .float32, statistics: false))
    }
    // An ONNX Runtime without opset 23 has no such peer, and its models no such sites.
    let peers = try CostModel.Original.allCases.compactMap { original -> (CostModel.Original, BenchContender)? in
      let model = try graph.peer(BenchPeer(original))
      return (try? contender(model)).map { (original, $0) }
    }
    // Best times: what else runs on the machine only ever adds. Short ones are soon repeated.
    for _ in 0..<(tokens > 1024 ? 3 : tokens > 512 ? 5 : 15) {
      try exact.time(inputs)
      try listing?.time(inputs)
      for (_, peer) in peers { try peer.time(inputs) }
    }
    return peers.map { original, peer in
      CostModel.Row(
        original: original, hasBias: hasBias, headSize: headSize, tokens: tokens, originalSeconds: peer.best,
        exactSeconds: exact.best, sparseSeconds: listing?.best ?? exact.best, sparseDensity: density)
    }
  }
}

extension BenchPeer {
  init(_ original: CostModel.Original) {
    switch original {
    case .decomposed: self = .decomposed
    case .attention: self = .attention23
    case .multiHeadAttention: self = .multiHeadAttention
    }
  }
}
