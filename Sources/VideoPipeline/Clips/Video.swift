import OnnxRuntime

/// A video as models take it: red, green, blue in [−1, 1] (value/127.5 − 1), float32 [1, 3, F, H, W].
public struct Video: Equatable, Sendable {
  public let frames: Int
  public let height: Int
  public let width: Int
  /// Row-major in channel, frame, row, column.
  public var values: [Float]
  public var rate: FrameRate
  public var pixelAspect = PixelAspect.square
  /// The clip's frames did not follow each other evenly: `rate` is their mean.
  public var isUneven = false

  /// nil where the values are not 3·F·H·W.
  public init?(frames: Int, height: Int, width: Int, values: [Float], rate: FrameRate = .default) {
    guard elementCount([3, frames, height, width]) == values.count else { return nil }
    self.frames = frames
    self.height = height
    self.width = width
    self.values = values
    self.rate = rate
  }

  /// nil where the values are not 3·F·H·W.
  public init?(_ size: ClipSize, values: [Float]) {
    self.init(frames: size.frames, height: size.height, width: size.width, values: values, rate: size.rate)
    pixelAspect = size.pixelAspect
  }

  /// nil unless the array is of floats, [1, 3, F, H, W].
  public init?(_ array: Tensor, rate: FrameRate = .default) {
    guard array.shape.count == 5, array.shape[0] == 1, array.shape[1] == 3 else { return nil }
    self.init(
      frames: array.shape[2], height: array.shape[3], width: array.shape[4], values: array.floats, rate: rate)
  }

  public var shape: [Int] { [1, 3, frames, height, width] }

  /// One frame as bytes: rows of red, green, blue; clipped to [−1, 1] and rounded.
  public func rgb(frame: Int) -> [UInt8] {
    let plane = height * width
    return [UInt8](unsafeUninitializedCapacity: 3 * plane) { buffer, initialized in
      for channel in 0..<3 {
        let start = (channel * frames + frame) * plane
        for i in 0..<plane { buffer[3 * i + channel] = Self.byte(values[start + i]) }
      }
      initialized = 3 * plane
    }
  }

  /// NaN becomes black.
  private static func byte(_ value: Float) -> UInt8 {
    UInt8((min(1, max(-1, value.isNaN ? -1 : value)) + 1) * 127.5 + 0.5)
  }

  /// Grey where equal: (self − other)·gain, both clipped to [−1, 1] first; nil for other sizes.
  public func difference(from other: Video, gain: Float) -> Video? {
    guard shape == other.shape else { return nil }
    let values = zip(values, other.values).map { (min(1, max(-1, $0)) - min(1, max(-1, $1))) * gain }
    return Video(frames: frames, height: height, width: width, values: values, rate: rate)
  }
}
