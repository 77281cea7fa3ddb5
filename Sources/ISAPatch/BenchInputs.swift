import Glibc
import OnnxRuntime

/// What benchmarks attend over.
enum BenchInputs {
  /// Query, key and value [1, tokens, width] of unit Gaussian float32, the same on every run.
  static func gaussian(tokens: Int, width: Int) throws -> [String: OnnxRuntime.Tensor] {
    var random = Gaussian(state: 1)
    var inputs: [String: OnnxRuntime.Tensor] = [:]
    for name in BenchGraph.inputs {
      inputs[name] = try OnnxRuntime.Tensor((0..<tokens * width).map { _ in random.next() }, shape: [1, tokens, width])
    }
    return inputs
  }
}

/// Unit Gaussian numbers: SplitMix64, then Box and Muller.
private struct Gaussian {
  var state: UInt64
  private var spare: Float?

  init(state: UInt64) { self.state = state }

  private mutating func uniform() -> Float {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return (Float((z ^ (z >> 31)) >> 40) + 0.5) / Float(1 << 24)
  }

  mutating func next() -> Float {
    if let x = spare {
      spare = nil
      return x
    }
    let radius = (-2 * logf(uniform())).squareRoot()
    let angle = 2 * Float.pi * uniform()
    spare = radius * sinf(angle)
    return radius * cosf(angle)
  }
}
