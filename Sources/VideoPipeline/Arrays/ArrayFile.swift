import OnnxRuntime

/// A file of named arrays: `.safetensors` by its ending, else `.npz`.
public enum ArrayFile {
  /// - Throws: `NpzError`, `SafetensorsError`.
  public static func read(_ path: String) throws -> [String: Tensor] {
    path.hasSuffix(".safetensors") ? try Safetensors.read(path) : try Npz.read(path)
  }
}
