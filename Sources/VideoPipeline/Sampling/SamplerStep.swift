/// One call of the model while sampling.
public struct SamplerStep: Equatable, Sendable {
  /// From 0.
  public let index: Int
  public let steps: Int

  public init(index: Int, of steps: Int) {
    self.index = index
    self.steps = steps
  }

  /// 1 − index/steps, rounded once: 1 is pure noise.
  public var t: Float { Float(1 - Double(index) / Double(steps)) }

  /// Phase of the schedule, of `phases` equal parts from early (0) to late.
  public func phase(of phases: Int) -> Int { index * phases / steps }
}
